import { sessionCookieName } from '../auth/session.ts';
import type { Route } from '../route.ts';
import { type HeaderDoc, replyHeaders, requestHeaders } from './headers.ts';
import type { JsonSchema } from './json-schema.ts';
import { operationOf, templateOf } from './operation.ts';
import type { Components } from './responses.ts';
import { tags } from './tags.ts';

const description = `Shared, quota-bound folders over HTTP.

Parameters come as JSON or as a query, on every method; where both name the same, the query wins. Refusals are problems of
RFC 9457 with a \`code\`; what is missing and what is forbidden are the same 404. Heavy work is a job: its routes wait for
it, and with \`Prefer: respond-async\` or \`wait=N\` they answer 202 with \`Location: /jobs/{id}\`.

Requests with an \`X-BackendAI-Version\` header come from published clients and get answers of another shape, which this
document does not describe. Neither does it describe pages for people (\`/sign-in\`, \`/admin/queues/\`).`;

/** How callers prove who they are. */
const securitySchemes = {
  keypair: {
    type: 'http',
    scheme: 'basic',
    description: 'Access key and secret key, over TLS or on the machine itself.',
  },
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description:
      '`BackendAI signMethod=HMAC-SHA256, credential=<access key>:<hex>` with a `Date` or `X-BackendAI-Date`; the secret is never sent.',
  },
  token: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API token (`vf_pat_…`), as far as its scopes go.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: sessionCookieName,
    description: 'A browser that signed in.',
  },
};

/** An OpenAPI document, ready to be JSON. */
export type OpenApiDocument = Readonly<Record<string, unknown>> & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
};

function pathsOf(routes: readonly Route[], components: Components): OpenApiDocument['paths'] {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const template = templateOf(route.path);
    paths[template] = { ...paths[template], [route.method.toLowerCase()]: operationOf(route, components) };
  }
  return paths;
}

function parametersOf(headers: Readonly<Record<string, HeaderDoc>>): JsonSchema {
  const entries = Object.entries(headers).map(([name, header]) => [name, { name, in: 'header', ...header }]);
  return Object.fromEntries(entries);
}

/**
 * Describes routes as OpenAPI 3.1: every one that is not for people, with what it takes, every status it can answer and every code it can
 * refuse with, from the schemas that validate and that replies are checked against. `pathPrefix` stands before them where callers are.
 */
export function describeRoutes(routes: readonly Route[], version: string, pathPrefix = ''): OpenApiDocument {
  const components: Components = { schemas: new Map(), refusals: new Map() };
  const paths = pathsOf(
    routes.filter(({ doc }) => doc.isForPeople !== true),
    components,
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'VFolder',
      version,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: pathPrefix === '' ? '/' : pathPrefix, description: 'This service' }],
    tags: Object.entries(tags).map(([name, text]) => ({ name, description: text })),
    paths,
    components: {
      schemas: Object.fromEntries([...components.schemas].sort(([left], [right]) => (left < right ? -1 : 1))),
      responses: Object.fromEntries(
        [...components.refusals.values()].map(({ name, response }) => [name, response]),
      ),
      parameters: parametersOf(requestHeaders),
      headers: replyHeaders,
      securitySchemes,
    },
  };
}
