import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';

/** Clients from 20.03 on ask at the start of every command; this service has none to make. */
const announcement = defineRoute({
  method: 'GET',
  path: '/manager/announcement',
  access: 'public',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: z.object({ enabled: z.boolean(), message: z.string() }) },
  doc: { tag: 'Clients', id: 'getAnnouncement', summary: 'See what the operators announce' },
  handle: async () => ({ status: 200, body: { enabled: false, message: '' } }),
});

/** Clients send a word. */
const echoCharactersMax = 1_000;

/** Proves that a keypair signs as it should. */
function echoAt(method: 'GET' | 'POST', path: string, id: string): Route {
  return defineRoute({
    method,
    path,
    access: 'user',
    right: null,
    body: 'json',
    isQuery: true,
    input: z.object({ echo: z.string().max(echoCharactersMax).default('') }),
    answers: { 200: z.object({ authorized: z.literal('yes'), echo: z.string() }) },
    doc: { tag: 'Clients', id, summary: 'Prove that a keypair signs as it should' },
    handle: async ({ input }) => ({ status: 200, body: { authorized: 'yes' as const, echo: input.echo } }),
  });
}

/** What clients ask about the service itself. */
export const serviceClientRoutes: readonly Route[] = [
  announcement,
  echoAt('GET', '/auth', 'getAuth'),
  echoAt('POST', '/auth', 'postAuth'),
  echoAt('GET', '/auth/test', 'getAuthTest'),
  echoAt('POST', '/auth/test', 'postAuthTest'),
];
