import { z } from 'zod';
import { isNamedChange, type Route } from '../route.ts';
import { type JsonSchema, toJsonSchema } from './json-schema.ts';
import { type Components, responsesOf } from './responses.ts';

/** What the parameters of paths stand for; a test notices one that is missing. */
const pathParameters: Readonly<Record<string, string>> = {
  name: 'The name of the folder as you see it, or its id.',
  path: 'A path in the folder; its slashes stay as they are, the rest is percent-encoded.',
  id: 'The id of what is meant.',
  member: 'The id or e-mail address of a member.',
  session: 'Your own name for a compute session.',
  token: 'The token of an upload or of a link.',
  queue: 'The name of a queue.',
  volume: 'The name of a volume.',
  policy: 'The name of a policy.',
  code: 'The code of a problem.',
  key: 'The access key of a keypair.',
  page: 'A page or file of the dashboard.',
};

/** A route's path in the form of OpenAPI. */
export function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}').replace(/\*$/, '{page}');
}

function pathParametersOf(template: string): object[] {
  return [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => {
    const described = pathParameters[name];
    const description = described === undefined ? {} : { description: described };
    return { name, in: 'path', required: true, ...description, schema: { type: 'string', minLength: 1 } };
  });
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  required: z.array(z.string()).default([]),
});

// A query has no null; what may be null in a body may be left out of a query.
function withoutNull(schema: JsonSchema): JsonSchema {
  const choices = z.array(z.record(z.string(), z.unknown())).safeParse(schema.anyOf);
  if (!choices.success) return schema;
  const [only, ...others] = choices.data.filter(({ type }) => type !== 'null');
  const { anyOf: _all, ...rest } = schema;
  return only !== undefined && others.length === 0 ? { ...rest, ...only } : schema;
}

function queryParametersOf(input: JsonSchema): object[] {
  const { properties, required } = objectSchema.parse(input);
  return Object.entries(properties).flatMap(([name, given]) => {
    const schema = withoutNull(given);
    if (schema.type === 'null') return [];
    const style = schema.type === 'object' ? { style: 'deepObject' } : {};
    return [{ name, in: 'query', required: required.includes(name), ...style, schema }];
  });
}

function headerParametersOf(route: Route): object[] {
  const named = isNamedChange(route) ? (['Idempotency-Key'] as const) : [];
  return [...(route.doc.reads ?? []), ...named].map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function requestBodyOf(route: Route, input: JsonSchema): object {
  const { takes } = route.doc;
  if (takes !== undefined) {
    const content = Object.entries(takes).map(([media, schema]) => [media, { schema }] as const);
    return { requestBody: { required: true, content: Object.fromEntries(content) } };
  }
  const { properties, required } = objectSchema.parse(input);
  if (!hasJsonBody(route) || Object.keys(properties).length === 0) return {};
  return {
    requestBody: { required: required.length > 0, content: { 'application/json': { schema: input } } },
  };
}

/** Parameters of other routes are documented as a query, which every method has; a body is read just as well. */
function hasJsonBody({ method, body }: Route): boolean {
  return body === 'json' && (method === 'POST' || method === 'PUT' || method === 'PATCH');
}

/** Who may call: tokens reach no administration, and nothing that is for keypairs alone. */
function securityOf(route: Route): object[] {
  if (route.access === 'public') return [];
  const proofs = ['keypair', 'signature', 'session'].map((name) => ({ [name]: [] }));
  return route.access === 'admin' || route.isKeypairOnly === true ? proofs : [...proofs, { token: [] }];
}

/** One route as an OpenAPI operation; what it shares with others goes into `components`. */
export function operationOf(route: Route, components: Components): object {
  const { tag, id, summary } = route.doc;
  const input = toJsonSchema(route.input, components.schemas);
  const parameters = [
    ...pathParametersOf(templateOf(route.path)),
    ...(hasJsonBody(route) ? [] : queryParametersOf(input)),
    ...headerParametersOf(route),
  ];
  return {
    operationId: id,
    tags: [tag],
    summary,
    security: securityOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBodyOf(route, input),
    responses: responsesOf(route, components),
  };
}
