import { z } from 'zod';

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Schemas that have a name, to be referred to. */
export type NamedSchemas = Map<string, JsonSchema>;

const parsedSchema = z.record(z.string(), z.unknown());

// What our own names do not need: which dialect it is, and the name itself.
function strip({ $schema: _dialect, $defs: _named, id: _id, ...schema }: JsonSchema): JsonSchema {
  return schema;
}

/** As a caller sees it: references point to the components of the document. */
function referring(schema: object): JsonSchema {
  return parsedSchema.parse(
    JSON.parse(JSON.stringify(schema).replaceAll('#/$defs/', '#/components/schemas/')),
  );
}

/**
 * The JSON Schema of what a schema takes. Named schemas (`meta({ id })`) are put into `named` and referred to; two of one
 * name have to be the same.
 */
export function toJsonSchema(schema: z.ZodType, named: NamedSchemas): JsonSchema {
  const whole = referring(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  const inner = parsedSchema.optional().parse(whole.$defs) ?? {};
  for (const [name, part] of Object.entries(inner)) addNamed(named, name, strip(parsedSchema.parse(part)));
  if (typeof whole.id !== 'string') return strip(whole);
  addNamed(named, whole.id, strip(whole));
  return { $ref: `#/components/schemas/${whole.id}` };
}

function addNamed(named: NamedSchemas, name: string, schema: JsonSchema): void {
  const before = named.get(name);
  if (before !== undefined && JSON.stringify(before) !== JSON.stringify(schema)) {
    throw new Error(`Two schemas are called ${name}.`);
  }
  named.set(name, schema);
}
