import type { Dice } from '../chaos/dice.ts';
import type { CallOptions } from '../support/http-client.ts';
import type { Operation, Parameter, Schema } from './read-document.ts';
import {
  brokenBodies,
  hostileField,
  hostileSegment,
  hostileText,
  hostileValue,
  type Known,
  soundValue,
} from './values.ts';

/** A request to an operation, to be sent as it is. */
export interface HostileRequest {
  readonly path: string;
  readonly options: CallOptions;
}

const soundShare = 0.6;

function pathOf(operation: Operation, dice: Dice, known: Known): string {
  return operation.path.replaceAll(/\{(\w+)\}/g, (_braces, name: string) => {
    if (!dice.happens(soundShare + 0.2)) return hostileSegment(dice);
    const value = String(soundValue(name, { type: 'string' }, dice, known));
    return value
      .split('/')
      .map(encodeURIComponent)
      .join(name === 'path' ? '/' : '%2F');
  });
}

function asText(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function queryOf(parameters: readonly Parameter[], dice: Dice, known: Known): string {
  const pairs = parameters.flatMap(({ name, required, schema }): (readonly [string, string])[] => {
    if (!dice.happens(required ? 0.9 : 0.4)) return [];
    const value = dice.happens(soundShare)
      ? asText(soundValue(name, schema, dice, known))
      : hostileText(dice);
    const pair = [dice.happens(0.05) ? `${name}[x]` : name, value] as const;
    return dice.happens(0.05) ? [pair, pair] : [pair];
  });
  const extra = dice.happens(0.1) ? ([['unheard_of', hostileText(dice)]] as const) : [];
  const text = [...pairs, ...extra].map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  );
  return `${text.join('&')}${dice.happens(0.03) ? '&=&%ff=%fe&&x' : ''}`;
}

function headersOf(parameters: readonly Parameter[], dice: Dice, known: Known): Record<string, string> {
  const taken = parameters.filter(({ name }) => dice.happens(name === 'Tus-Resumable' ? 0.95 : 0.35));
  return Object.fromEntries(
    taken.map(({ name, schema }) => [
      name,
      dice.happens(soundShare) ? asText(soundValue(name, schema, dice, known)) : hostileField(dice),
    ]),
  );
}

function mutate(body: unknown, dice: Dice): unknown {
  const entries = Object.entries(Object(body));
  const at = dice.below(Math.max(entries.length, 1));
  const kept = entries.filter((_entry, index) => index !== at);
  const [name = 'name'] = entries[at] ?? [];
  if (dice.happens(0.2)) return Object.fromEntries(kept);
  if (dice.happens(0.2)) return { ...Object.fromEntries(entries), unheard_of: hostileValue(dice) };
  return { ...Object.fromEntries(kept), [name]: hostileValue(dice) };
}

function jsonBody(schema: Schema, dice: Dice, known: Known): CallOptions {
  if (dice.happens(0.12)) {
    const type = dice.pick(['application/json', 'application/json; charset=utf-16', 'text/plain', 'x']);
    return { body: dice.pick(brokenBodies), headers: { 'Content-Type': type } };
  }
  const sound = soundValue('', schema, dice, known);
  return { json: dice.happens(soundShare / 2) ? sound : mutate(sound, dice) };
}

function streamedBody(type: string, dice: Dice): CallOptions {
  if (type === 'multipart/form-data' && dice.happens(0.7)) {
    const fileName = dice.pick(['a', 'b/c', '../x', 'n\u0000', '𝕬', 'x'.repeat(400)]);
    return { parts: [{ fileName, bytes: 'content' }] };
  }
  const given = dice.pick([
    type,
    type,
    'application/json',
    'multipart/form-data',
    'multipart/form-data; boundary=',
  ]);
  return { body: dice.bytes(dice.pick([0, 1, 1_000])), headers: { 'Content-Type': given } };
}

function bodyOf(operation: Operation, dice: Dice, known: Known): CallOptions {
  const [first] = Object.entries(operation.body);
  if (first === undefined) return {};
  const [type, schema] = first;
  return type === 'application/json' ? jsonBody(schema, dice, known) : streamedBody(type, dice);
}

/** Makes a request that is sound in most parts, so that it gets far, and hostile in some. */
export function makeRequest(operation: Operation, dice: Dice, known: Known): HostileRequest {
  const of = (place: Parameter['in']) => operation.parameters.filter((one) => one.in === place);
  const query = queryOf(of('query'), dice, known);
  const { headers, ...body } = bodyOf(operation, dice, known);
  const path = pathOf(operation, dice, known);
  return {
    path: query === '' ? path : `${path}?${query}`,
    options: { ...body, headers: { ...headersOf(of('header'), dice, known), ...headers } },
  };
}
