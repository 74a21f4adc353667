import { domainError } from '../../domain/errors.ts';
import { percentDecode } from './target.ts';

/** A query parameter: text, several texts, or one level of named parts (`paging[size]=20`). */
export type QueryValue = string | string[] | Record<string, string>;

const partOf = /^([^[\]]+)\[([A-Za-z_]\w*)\]$/;

// Every common encoder writes a space of a query as `+` or `%20` and a plus as `%2B`, so here `+` is a space.
function decode(text: string): string {
  return percentDecode(text.replaceAll('+', ' '));
}

function isParts(value: QueryValue | undefined): value is Record<string, string> {
  return typeof value === 'object' && !Array.isArray(value);
}

function refuseMixture(): never {
  throw domainError('request_malformed', 'A query parameter is given both whole and in parts.');
}

function addPart(parameters: Map<string, QueryValue>, name: string, part: string, value: string): void {
  const before = parameters.get(name);
  if (before !== undefined && !isParts(before)) refuseMixture();
  // Without a prototype, so that no part name means anything but itself.
  const parts: Record<string, string> = before ?? Object.create(null);
  parts[part] = value;
  parameters.set(name, parts);
}

function addValue(parameters: Map<string, QueryValue>, name: string, value: string): void {
  const before = parameters.get(name);
  if (before === undefined) parameters.set(name, value);
  else if (Array.isArray(before)) before.push(value);
  else if (typeof before === 'string') parameters.set(name, [before, value]);
  else refuseMixture();
}

function addPair(parameters: Map<string, QueryValue>, pair: string): void {
  const mark = pair.indexOf('=');
  const name = decode(mark === -1 ? pair : pair.slice(0, mark));
  const value = mark === -1 ? '' : decode(pair.slice(mark + 1));
  const [, whole, part] = partOf.exec(name) ?? [];
  if (whole !== undefined && part !== undefined) {
    addPart(parameters, whole, part, value);
    return;
  }
  const isList = name.endsWith('[]');
  const key = isList ? name.slice(0, -2) : name;
  if (isList && !parameters.has(key)) parameters.set(key, []);
  addValue(parameters, key, value);
}

/**
 * Reads a query string. A repeated name becomes a list, `name[]=x` is a list of at least one, `name[part]=x` is an
 * object.
 * @throws request_malformed on broken percent-encoding, NUL or bytes that are not UTF-8
 */
export function readQuery(query: string): Map<string, QueryValue> {
  const parameters = new Map<string, QueryValue>();
  for (const pair of query.split('&')) {
    if (pair !== '') addPair(parameters, pair);
  }
  return parameters;
}
