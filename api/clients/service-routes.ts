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
  handle: async () => ({ status: 200, body: { enabled: false, message: '' } }),
});

/** Proves that a keypair signs as it should. */
function echoAt(method: 'GET' | 'POST', path: string): Route {
  return defineRoute({
    method,
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: z.object({ echo: z.string().default('') }),
    handle: async ({ input }) => ({ status: 200, body: { authorized: 'yes', echo: input.echo } }),
  });
}

/** What clients ask about the service itself. */
export const serviceClientRoutes: readonly Route[] = [
  announcement,
  echoAt('GET', '/auth'),
  echoAt('POST', '/auth'),
  echoAt('GET', '/auth/test'),
  echoAt('POST', '/auth/test'),
];
