import { z } from 'zod';
import type { Client } from '../support/http-client.ts';

/** A JSON Schema as far as values are made from it. */
export type Schema = Readonly<Record<string, unknown>>;
const schema = z.record(z.string(), z.unknown());
const media = z.record(z.string(), z.object({ schema: schema.optional() }));
const reference = z.object({ $ref: z.string() });

const parameter = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().default(false),
  schema,
});
const response = z.object({ headers: schema.default({}), content: media.default({}) });
const operation = z.object({
  operationId: z.string(),
  security: z.array(z.unknown()),
  parameters: z.array(z.union([reference, parameter])).default([]),
  requestBody: z.object({ content: media }).optional(),
  responses: z.record(z.string(), z.union([reference, response])),
});
const document = z.object({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({
    schemas: z.record(z.string(), schema),
    parameters: z.record(z.string(), parameter),
    responses: z.record(z.string(), response),
  }),
});

/** An input of an operation that is no body. */
export type Parameter = z.output<typeof parameter>;
/** What one status means for an operation. */
export type Response = z.output<typeof response>;

/** One operation with everything that the document refers to elsewhere. */
export interface Operation {
  /** Such as `POST /folders/{name}/move`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Schemas of its body by media type; empty: it takes none. */
  readonly body: Readonly<Record<string, Schema>>;
  readonly responses: Readonly<Record<string, Response>>;
}

/** The operations of a document, and the schemas that they refer to. */
export interface Description {
  readonly operations: readonly Operation[];
  readonly schemas: Readonly<Record<string, Schema>>;
}

const lastOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

function found<T>(components: Readonly<Record<string, T>>, ref: string): T {
  const component = components[lastOf(ref)];
  if (component === undefined) throw new Error(`The document has no ${ref}.`);
  return component;
}

/** Reads the document that a service serves. */
export async function readDocument(client: Client): Promise<Description> {
  const { json } = await client.call('GET', '/openapi.json', { auth: 'none' });
  const { paths, components } = document.parse(json);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, given]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters: given.parameters.map((one) =>
        '$ref' in one ? found(components.parameters, one.$ref) : one,
      ),
      body: Object.fromEntries(
        Object.entries(given.requestBody?.content ?? {}).map(([type, { schema: of = {} }]) => [type, of]),
      ),
      responses: Object.fromEntries(
        Object.entries(given.responses).map(([status, one]) => [
          status,
          '$ref' in one ? found(components.responses, one.$ref) : one,
        ]),
      ),
    })),
  );
  return { operations, schemas: components.schemas };
}
