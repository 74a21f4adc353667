import type { QueryValue } from '../http/query.ts';

/** Parameters of a request before they are validated. */
export interface Parameters {
  readonly body: Readonly<Record<string, unknown>>;
  readonly query: ReadonlyMap<string, QueryValue>;
}

/**
 * Parameters as published clients mean them: under the names of the route's schema, and without those that are null,
 * for clients send null for every option that was not given.
 */
export function clientParameters(
  { body, query }: Parameters,
  aliases: Readonly<Record<string, string>> = {},
): Parameters {
  const names = new Map(Object.entries(aliases));
  const nameOf = (given: string): string => names.get(given) ?? given;
  const given = Object.entries(body).filter(([, value]) => value !== null);
  return {
    body: Object.fromEntries(given.map(([name, value]) => [nameOf(name), value])),
    query: new Map([...query].map(([name, value]) => [nameOf(name), value])),
  };
}
