import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readSortedPage,
  type SortOrder,
  sortEntries,
  sortedEntriesMax,
  sortOrders,
} from '../../../../api/folders/files/sorted-page.ts';
import type { ListedEntry, ListPage } from '../../../../storage/volume.ts';

function entry(values: Partial<ListedEntry> & { readonly name: string }): ListedEntry {
  return {
    kind: 'file',
    sizeBytes: 0,
    mode: 0o100644,
    mtime: 0,
    ctime: 0,
    atime: 0,
    version: '',
    identity: '',
    inode: '1',
    links: 1,
    isAddressable: true,
    ...values,
  };
}

/** A directory read in chunks, as a volume hands it out. */
function directoryOf(entries: readonly ListedEntry[], chunk: number) {
  return async (cursor: string | undefined): Promise<ListPage> => {
    const start = Number(cursor ?? 0);
    const end = start + chunk;
    return {
      entries: entries.slice(start, end),
      nextCursor: end < entries.length ? String(end) : null,
    };
  };
}

async function readAll(
  entries: readonly ListedEntry[],
  options: { order: SortOrder; limit: number; chunk: number },
) {
  const pages: ListedEntry[][] = [];
  let cursor: string | undefined;
  do {
    const page = await readSortedPage(directoryOf(entries, options.chunk), {
      order: options.order,
      limit: options.limit,
      cursor,
    });
    pages.push([...page.entries]);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return pages;
}

const someEntries = fc
  .array(
    fc.record({
      name: fc.constantFrom('a', 'b', 'B', 'é', '데', '🗂', '\ufffd'),
      sizeBytes: fc.nat(3),
      mtime: fc.double({ min: -1e9, max: 1e10, noNaN: true }),
    }),
    { maxLength: 40 },
  )
  .map((values) => values.map((value, index) => entry({ ...value, inode: String(index) })));

describe('readSortedPage', () => {
  it('shows every entry exactly once and in order, whatever the page and chunk sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        someEntries,
        fc.constantFrom(...sortOrders),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 9 }),
        async (entries, order, limit, chunk) => {
          const pages = await readAll(entries, { order, limit, chunk });
          expect(pages.flat()).toEqual(sortEntries(entries, order));
          expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
        },
      ),
    );
  });

  it('turns the order around with a minus and breaks ties by name', () => {
    const entries = [
      entry({ name: 'b', sizeBytes: 1 }),
      entry({ name: 'a', sizeBytes: 1 }),
      entry({ name: 'c', sizeBytes: 2 }),
    ];
    expect(sortEntries(entries, 'size').map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(sortEntries(entries, '-size').map(({ name }) => name)).toEqual(['c', 'a', 'b']);
    expect(sortEntries(entries, '-name').map(({ name }) => name)).toEqual(['c', 'b', 'a']);
  });

  it.each([
    '',
    'x',
    '!!!',
    Buffer.from('[1,2,3]').toString('base64url'),
    Buffer.from('{}').toString('base64url'),
  ])('refuses the foreign cursor %j', async (cursor) => {
    const read = readSortedPage(directoryOf([], 10), { order: 'size', limit: 1, cursor });
    await expect(read).rejects.toMatchObject({ code: 'request_malformed' });
  });

  it('refuses a cursor of another order', async () => {
    const entries = [entry({ name: 'a' }), entry({ name: 'b' })];
    const { nextCursor } = await readSortedPage(directoryOf(entries, 10), { order: 'name', limit: 1 });
    const options = { order: 'size', limit: 1, cursor: nextCursor ?? '' } as const;
    await expect(readSortedPage(directoryOf(entries, 10), options)).rejects.toMatchObject({
      code: 'request_malformed',
    });
  });

  it('sorts as many entries as it promises and refuses one more', async () => {
    const entries = Array.from({ length: sortedEntriesMax + 1 }, (_, index) => entry({ name: `${index}` }));
    const read = (count: number) =>
      readSortedPage(directoryOf(entries.slice(0, count), 10_000), { order: 'name', limit: 1 });
    expect((await read(sortedEntriesMax)).entries.map(({ name }) => name)).toEqual(['0']);
    await expect(read(sortedEntriesMax + 1)).rejects.toMatchObject({ code: 'request_malformed' });
  });
});
