import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { checkReadiness } from './readiness.ts';

const nothing = z.object({});

/** What runs here: API version and version of this service. Clients ask it before they sign anything. */
export const getVersion = defineRoute({
  method: 'GET',
  path: '/',
  access: 'public',
  right: null,
  body: 'json',
  input: nothing,
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
  handle: async () => ({ status: 200, body: { status: 'ok' } }),
});

/** Whether each part that requests need can be used: 200, or 503 naming the parts. */
export const getReadiness = defineRoute({
  method: 'GET',
  path: '/readyz',
  access: 'public',
  right: null,
  body: 'json',
  input: nothing,
  handle: async ({ services }) => {
    const readiness = await checkReadiness(services);
    return { status: readiness.status === 'unavailable' ? 503 : 200, body: readiness };
  },
});

/** Routes about the service itself. */
export const serviceRoutes: readonly Route[] = [getVersion, getLiveness, getReadiness];
