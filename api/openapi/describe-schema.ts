import { z } from 'zod';
import type { JsonSchema } from './json-schema.ts';
import { codes, type Markup, markup } from './markup.ts';

const schemaSchema = z.record(z.string(), z.unknown());

function schemaOf(value: unknown): JsonSchema {
  return schemaSchema.catch({}).parse(value);
}

function schemasOf(value: unknown): readonly JsonSchema[] {
  return z.array(schemaSchema).catch([]).parse(value);
}

function joined(parts: readonly Markup[], word: string): Markup {
  return markup`${parts.map((part, index) => (index === 0 ? part : markup`${word}${part}`))}`;
}

const bounds = [
  ['minimum', 'from'],
  ['maximum', 'to'],
  ['minLength', 'at least'],
  ['maxLength', 'at most'],
  ['pattern', 'like'],
] as const;

function boundsOf(schema: JsonSchema): Markup {
  const told = bounds.flatMap(([key, word]) => {
    const value = schema[key];
    // The ends of what JSON numbers carry exactly say nothing.
    if (value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) return [];
    return [markup` ${word} <code>${String(value)}</code>`];
  });
  return markup`${told}`;
}

function plainKind(schema: JsonSchema): Markup {
  const { type, items, format, contentMediaType } = schema;
  if (type === 'array') return markup`list of ${kindOf(schemaOf(items))}`;
  if (contentMediaType !== undefined) return markup`content`;
  const word = typeof type === 'string' ? type : 'anything';
  return markup`${word}${typeof format === 'string' ? ` (${format})` : ''}${boundsOf(schema)}`;
}

/** What a value is, in a few words; named schemas are linked. */
export function kindOf(schema: JsonSchema): Markup {
  const { $ref: ref, enum: values, const: only } = schema;
  if (typeof ref === 'string') {
    const name = ref.slice(ref.lastIndexOf('/') + 1);
    return markup`<a href="#schema-${name}">${name}</a>`;
  }
  const literals = Array.isArray(values) ? values : only === undefined ? [] : [only];
  if (literals.length > 0) {
    return joined(
      literals.map((value) => markup`<code>${JSON.stringify(value)}</code>`),
      ' | ',
    );
  }
  const choices = schemasOf(schema.anyOf ?? schema.oneOf);
  return choices.length > 0 ? joined(choices.map(kindOf), ' or ') : plainKind(schema);
}

/** A value in full: of an object every member, and of those that are objects theirs. */
export function shapeOf(schema: JsonSchema): Markup {
  const properties = Object.entries(schemaOf(schema.properties));
  if (properties.length === 0) return markup`${kindOf(schema)}${innerOf(schema)}`;
  const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
  const rows = properties.map(([name, value]) => {
    const member = schemaOf(value);
    const described = typeof member.description === 'string' ? codes(` ${member.description}`) : undefined;
    const mark = required.includes(name) ? undefined : markup` <small>optional</small>`;
    return markup`<dt><code>${name}</code>${mark}</dt><dd>${shapeOf(member)}${described}</dd>`;
  });
  return markup`<dl>${rows}</dl>`;
}

// What a list holds, or what may stand here, where that has members of its own.
function innerOf(schema: JsonSchema): Markup | undefined {
  const inner = [schemaOf(schema.items), ...schemasOf(schema.anyOf ?? schema.oneOf)];
  const shapes = inner.filter((one) => one.properties !== undefined).map(shapeOf);
  return shapes.length === 0 ? undefined : markup`${shapes}`;
}
