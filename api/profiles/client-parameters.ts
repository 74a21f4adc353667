import type { QueryValue } from '../http/query.ts';
import type { ClientEdge } from '../route.ts';

/** Parameters of a request before they are validated. */
export interface Parameters {
  readonly body: Readonly<Record<string, unknown>>;
  readonly query: ReadonlyMap<string, QueryValue>;
}

/**
 * Parameters as published clients mean them: under the names and in the forms that the route's schema has, and without
 * those that are null, for clients send null for every option that was not given.
 */
export function clientParameters(
  { body, query }: Parameters,
  { aliases = {}, readings = {} }: Pick<ClientEdge<unknown, unknown>, 'aliases' | 'readings'> = {},
): Parameters {
  const names = new Map(Object.entries(aliases));
  const forms = new Map(Object.entries(readings));
  const nameOf = (given: string): string => names.get(given) ?? given;
  const read = ([given, value]: readonly [string, unknown]) => {
    const name = nameOf(given);
    const form = forms.get(name);
    return [name, form === undefined ? value : form(value)] as const;
  };
  const given = Object.entries(body).filter(([, value]) => value !== null);
  return {
    body: Object.fromEntries(given.map(read)),
    query: new Map([...query].map(([name, value]) => [nameOf(name), value])),
  };
}
