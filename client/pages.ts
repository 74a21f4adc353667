import { z } from 'zod';
import type { CallOptions, Http } from './http.ts';

/** Reads a list whose pages are linked by a cursor, to its end or until there are `itemsMax`. */
export async function readPages<T>(
  http: Http,
  path: string,
  item: z.ZodType<T>,
  query: CallOptions['query'] = {},
  itemsMax = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  const model = z.looseObject({ items: z.array(item), next_cursor: z.string().nullable() });
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await http.read('GET', path, model, { query: { ...query, cursor } });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < itemsMax);
  return items.slice(0, itemsMax);
}
