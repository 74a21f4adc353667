import type { Dice } from '../chaos/dice.ts';
import type { Schema } from './read-document.ts';

const texts = [
  '',
  ' ',
  '.',
  '..',
  '../../etc/passwd',
  '/',
  '//',
  'a/../b',
  'null',
  'NaN',
  '-1',
  '1e999',
  '99999999999999999999',
  '00000000-0000-0000-0000-000000000000',
  "'; DROP TABLE folders; --",
  '%s%n%00',
  '\u0000',
  'a\u0000b',
  '\r\nX-Injected: 1',
  '\u202egnp.exe',
  'é'.normalize('NFD'),
  '𝕬🧨👩‍👩‍👧',
  '\ufeff\u200b',
  '\ud800',
  'A'.repeat(256),
  'ß'.repeat(5_000),
  '2026-13-45T99:99:99Z',
  '{"$ne":null}',
  'nobody@example.org',
];

function nested(depth: number): unknown {
  let value: unknown = 'x';
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const values: readonly unknown[] = [
  ...texts,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  [],
  [[]],
  [null],
  {},
  { constructor: { prototype: {} }, toString: 1 },
  nested(60),
  Array.from({ length: 1_500 }, (_, index) => `f${index}`),
  Array.from({ length: 3 }, () => 'a'),
];

/** Any JSON value but the one that is wanted. */
export function hostileValue(dice: Dice): unknown {
  return dice.pick(values);
}

/** A text with the same intent, for a query. */
export function hostileText(dice: Dice): string {
  // A query is UTF-8, which has no lone surrogates.
  return dice.pick(texts).replaceAll('\ud800', '\ufffd');
}

const segments = [
  '%00',
  '%ff%fe',
  '%E0%A4%A',
  '%2e%2e',
  '..%2f..%2fetc%2fpasswd',
  '%2F',
  '%20',
  '%0d%0a',
  '%',
  '-1',
  ';x=y',
  '00000000-0000-0000-0000-000000000000',
  '0'.repeat(32),
  'x'.repeat(300),
  'x'.repeat(5_000),
  encodeURIComponent('𝕬🧨'),
  encodeURIComponent('ß'.repeat(200)),
  encodeURIComponent("'; DROP TABLE folders; --"),
];

/** A segment of a path, encoded or broken already. */
export function hostileSegment(dice: Dice): string {
  return dice.pick(segments);
}

const fields = [
  '',
  '0',
  '-1',
  '1e999',
  '99999999999999999999',
  '*',
  '"',
  'W/"x"',
  'bytes=0-',
  'bytes=5-1,,-',
  `bytes=${'0-0,'.repeat(400)}0-0`,
  'a'.repeat(2_000),
  '\u00ff\u00fe',
  'sha-256=:AAAA:',
  'sha-256=',
  'sha256 AAAA',
  'crc32 AAAA',
  'folder Zm9v,path YmFy',
  'folder',
  '!!!',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  'respond-async, wait=99999999999',
  'final;/uploads/a /uploads/b',
  'partial',
  '1.0.0',
  '9.9.9',
];

/** The value of a header that HTTP can carry. */
export function hostileField(dice: Dice): string {
  return dice.pick(fields);
}

/** Bodies that are no JSON objects, or none that a parser should like. */
export const brokenBodies: readonly string[] = [
  '',
  '{',
  'null',
  '[]',
  '"a"',
  '17',
  '{"a":1}{"a":2}',
  '{"name":"a","name":"b"}',
  '{"__proto__":{"isAdmin":true},"name":"a"}',
  '{"name":1e999}',
  '\ufeff{}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `{"name":"${'x'.repeat(1_500_000)}"}`,
  'name=a&path=b',
  '\u0000',
];

/** Values that mean something here, by the name of the parameter. */
export type Known = (name: string) => readonly unknown[];

function listOf(value: unknown): readonly Schema[] {
  return Array.isArray(value)
    ? value.filter((one): one is Schema => typeof one === 'object' && one !== null)
    : [];
}

function ofType(schema: Schema, dice: Dice, known: Known): unknown {
  const { type, minimum, items, properties, required } = schema;
  if (type === 'integer' || type === 'number') return Math.max(Number(minimum ?? 0), dice.pick([1, 2, 10]));
  if (type === 'boolean') return dice.happens(0.5);
  if (type === 'null') return null;
  if (type === 'array') return [soundValue('', Object(items), dice, known)];
  if (type !== 'object') return dice.pick(['a', 'b/c', 'made']);
  const names = Object.keys(Object(properties));
  const wanted = new Set(Array.isArray(required) ? required : []);
  const taken = names.filter((name) => wanted.has(name) || dice.happens(0.4));
  return Object.fromEntries(
    taken.map((name) => [name, soundValue(name, Object(Reflect.get(Object(properties), name)), dice, known)]),
  );
}

/** A value that a schema allows, as far as that can be told, and mostly one that means something here. */
export function soundValue(name: string, schema: Schema, dice: Dice, known: Known): unknown {
  const meant = known(name);
  if (meant.length > 0 && dice.happens(0.8)) {
    const value = dice.pick(meant);
    return schema.type === 'array' && !Array.isArray(value) ? [value] : value;
  }
  if (Array.isArray(schema.enum)) return dice.pick<unknown>(schema.enum);
  if ('const' in schema) return schema.const;
  const choices = listOf(schema.anyOf ?? schema.oneOf);
  return choices.length > 0 ? soundValue('', dice.pick(choices), dice, known) : ofType(schema, dice, known);
}
