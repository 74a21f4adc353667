import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { checkReadiness } from './readiness.ts';

const nothing = z.object({});
const partState = z.enum(['ok', 'unavailable']);
const readinessBody = z
  .object({
    status: z.enum(['ok', 'degraded', 'unavailable', 'stopping']),
    database: partState,
    queue: partState,
    volumes: z.record(z.string(), partState),
  })
  .meta({ id: 'Readiness' });

/** What runs here: API version and version of this service. Clients ask it before they sign anything. */
export const getVersion = defineRoute({
  method: 'GET',
  path: '/',
  access: 'public',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 200: z.object({ version: z.string(), manager: z.string() }) },
  doc: { tag: 'Service', id: 'getVersion', summary: 'See the versions of API and service' },
  handle: async ({ services }) => ({
    status: 200,
    body: { version: services.apiVersion, manager: services.version },
  }),
});

/** The process answers: touches neither disk nor database, so a broken part never gets it restarted in vain. */
export const getLiveness = defineRoute({
  method: 'GET',
  path: '/livez',
  access: 'public',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 200: z.object({ status: z.literal('ok') }) },
  doc: { tag: 'Service', id: 'getLiveness', summary: 'See whether the process lives' },
  handle: async () => ({ status: 200, body: { status: 'ok' as const } }),
});

/** Whether each part that requests need can be used: 200, or 503 naming the parts. */
export const getReadiness = defineRoute({
  method: 'GET',
  path: '/readyz',
  access: 'public',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 200: readinessBody, 503: readinessBody },
  doc: { tag: 'Service', id: 'getReadiness', summary: 'See whether requests can be served' },
  handle: async ({ services }) => {
    const readiness = await checkReadiness(services);
    return readiness.status === 'ok' || readiness.status === 'degraded'
      ? { status: 200, body: readiness }
      : { status: 503, body: readiness };
  },
});

/** Routes about the service itself. */
export const serviceRoutes: readonly Route[] = [getVersion, getLiveness, getReadiness];
