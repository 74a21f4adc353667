import { linkSync, writeFileSync } from 'node:fs';
import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ListedEntry, type SortOrder, sortedEntriesMax, sortOrders } from '../../../storage/volume.ts';
import { at, codeOf, putFile, type TestVolume } from '../test-volume.ts';

async function pages(
  { volume, folderId }: TestVolume,
  order: SortOrder,
  limit: number,
): Promise<readonly (readonly ListedEntry[])[]> {
  const found: (readonly ListedEntry[])[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await volume.listSorted(folderId, at(''), { order, limit, ...(cursor ? { cursor } : {}) });
    found.push(page.entries);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

/** The plain way: everything in memory, by value and then by the bytes of the name. */
function sortPlainly(entries: readonly ListedEntry[], order: SortOrder): readonly ListedEntry[] {
  const sign = order.startsWith('-') ? -1 : 1;
  const byName = (a: ListedEntry, b: ListedEntry) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
  return entries.toSorted((a, b) => {
    if (order.endsWith('name')) return sign * byName(a, b);
    const value = order.endsWith('size') ? a.sizeBytes - b.sizeBytes : a.mtime - b.mtime;
    return value === 0 ? byName(a, b) : sign * value;
  });
}

const someFiles = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-cä€😀]{1,4}$/u),
    sizeBytes: fc.integer({ min: 0, max: 3 }),
    age: fc.integer({ min: 0, max: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
);

/** Directories in an order, page by page. */
export function describeSortedListing(test: () => TestVolume): void {
  it('hands out every entry once, in any order and any size of pages', async () => {
    const { dataPath, volume, folderId } = test();
    await fc.assert(
      fc.asyncProperty(
        someFiles,
        fc.constantFrom(...sortOrders),
        fc.integer({ min: 1, max: 5 }),
        async (files, order, limit) => {
          for (const { name, sizeBytes, age } of files) {
            await writeFile(join(dataPath, name), 'x'.repeat(sizeBytes));
            await utimes(join(dataPath, name), 0, 1_000_000 + age);
          }
          const { entries } = await volume.list(folderId, at(''), { limit: 1000 });
          const found = await pages(test(), order, limit);
          expect(found.flat()).toEqual(sortPlainly(entries, order));
          for (const page of found.slice(0, -1)) expect(page).toHaveLength(limit);
          for (const { name } of files) await rm(join(dataPath, name));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('goes on behind the last entry when that was deleted and others were added before it', async () => {
    const { dataPath, volume, folderId } = test();
    for (const name of ['b', 'd', 'f', 'h']) await putFile(test(), name, name);
    const options = { order: 'name', limit: 2 } as const;
    const first = await volume.listSorted(folderId, at(''), options);
    expect(first.entries.map(({ name }) => name)).toEqual(['b', 'd']);
    await rm(join(dataPath, 'd'));
    await rm(join(dataPath, 'f'));
    await putFile(test(), 'a', 'a');
    const cursor = first.nextCursor ?? '';
    const second = await volume.listSorted(folderId, at(''), { ...options, cursor });
    expect(second.entries.map(({ name }) => name)).toEqual(['h']);
    expect(second.nextCursor).toBeNull();
  });

  it('orders names that are no UTF-8 by their bytes', async () => {
    const { dataPath, volume, folderId } = test();
    for (const byte of [0xfe, 0xff]) {
      await writeFile(Buffer.concat([Buffer.from(`${dataPath}/`), Buffer.from([byte])]), 'x'.repeat(byte));
    }
    await putFile(test(), 'a', 'x');
    const found = await pages(test(), 'name', 1);
    expect(found.flat().map(({ sizeBytes }) => sizeBytes)).toEqual([1, 0xfe, 0xff]);
    expect(found.flat().map(({ isAddressable }) => isAddressable)).toEqual([true, false, false]);
    expect((await volume.listSorted(folderId, at(''), { order: 'name', limit: 5 })).nextCursor).toBeNull();
  });

  it('refuses cursors that are none, or of another order', async () => {
    const { volume, folderId } = test();
    for (const name of ['a', 'b']) await putFile(test(), name, 'content');
    const bySize = await volume.listSorted(folderId, at(''), { order: 'size', limit: 1 });
    for (const cursor of ['', 'x', '1_', '1e999_YQ', '7_a/b', bySize.nextCursor ?? '']) {
      const listing = volume.listSorted(folderId, at(''), { order: 'name', limit: 1, cursor });
      expect(await codeOf(listing)).toBe('request_malformed');
    }
  });

  it(`refuses a directory of more than ${sortedEntriesMax} entries and lists one of as many`, async () => {
    const { dataPath, volume, folderId } = test();
    // Links are the quickest to make; a file system may limit those of one inode.
    for (let index = 0; index < sortedEntriesMax; index += 1) {
      if (index % 10_000 === 0) writeFileSync(join(dataPath, `n${index}`), '');
      else linkSync(join(dataPath, `n${index - (index % 10_000)}`), join(dataPath, `n${index}`));
    }
    const options = { order: '-name', limit: 2 } as const;
    const { entries } = await volume.listSorted(folderId, at(''), options);
    expect(entries.map(({ name }) => name)).toEqual(['n99999', 'n99998']);
    writeFileSync(join(dataPath, 'one-more'), '');
    expect(await codeOf(volume.listSorted(folderId, at(''), options))).toBe('request_malformed');
    await volume.purgeFolder(folderId);
  });

  it('refuses to list what is no directory', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'file', 'x');
    const list = (path: string) => codeOf(volume.listSorted(folderId, at(path), { order: 'size', limit: 5 }));
    expect(await list('file')).toBe('entry_conflict');
    expect(await list('none')).toBe('entry_not_found');
  });
}
