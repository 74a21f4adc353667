import { z } from 'zod';
import { domainError } from '../../../domain/errors.ts';
import { type ApiRequest, defineRoute, type Route } from '../../route.ts';
import { type GraphqlResult, runGraphql } from './execute.ts';

const graphqlInput = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().nullish(),
  operation_name: z.string().nullish(),
});

const graphqlData = z.record(z.string(), z.unknown()).nullable();
const graphqlError = z.object({
  message: z.string(),
  path: z.array(z.union([z.string(), z.number()])).optional(),
});

function run({
  services,
  principal,
  input,
}: ApiRequest<z.infer<typeof graphqlInput>>): Promise<GraphqlResult> {
  return runGraphql(services, principal.userId, {
    query: input.query,
    variables: input.variables ?? {},
    operationName: input.operationName ?? input.operation_name ?? undefined,
  });
}

/** The form since `v6.20210815`: errors come with the data. */
const query = defineRoute({
  method: 'POST',
  isQuery: true,
  path: '/admin/gql',
  access: 'user',
  right: null,
  body: 'json',
  input: graphqlInput,
  answers: { 200: z.object({ data: graphqlData, errors: z.array(graphqlError).optional() }) },
  doc: { tag: 'Clients', id: 'queryGraphql', summary: 'Ask for folders in GraphQL' },
  handle: async (request) => {
    const { data, errors } = await run(request);
    return { status: 200, body: errors.length === 0 ? { data } : { data, errors } };
  },
});

/** The form before: the bare data, or a refusal. */
const legacyQuery = defineRoute({
  method: 'POST',
  isQuery: true,
  path: '/admin/graphql',
  access: 'user',
  right: null,
  body: 'json',
  input: graphqlInput,
  answers: { 200: graphqlData },
  doc: {
    tag: 'Clients',
    id: 'queryLegacyGraphql',
    summary: 'Ask for folders in GraphQL; the answer is the bare data',
  },
  handle: async (request) => {
    const { data, errors } = await run(request);
    const [first] = errors;
    if (first === undefined) return { status: 200, body: data };
    throw domainError('request_malformed', first.message, {
      errors: errors.map(({ message, path = [] }) => ({
        pointer: path.map((step) => `/${step}`).join(''),
        detail: message,
      })),
    });
  },
});

/** The part of the published GraphQL schema that is about folders. */
export const graphqlRoutes: readonly Route[] = [query, legacyQuery];
