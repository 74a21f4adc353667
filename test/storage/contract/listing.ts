import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ListPage } from '../../../storage/volume.ts';
import { at, codeOf, putFile, type TestVolume } from '../test-volume.ts';

async function fill(dataPath: string, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `f${index}`);
  for (const name of names) await writeFile(join(dataPath, name), name);
  return names.sort();
}

async function pages({ volume, folderId }: TestVolume, limit: number): Promise<ListPage[]> {
  const found: ListPage[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await volume.list(folderId, at(''), cursor ? { limit, cursor } : { limit });
    found.push(page);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

function namesOf(found: readonly ListPage[]): string[] {
  return found.flatMap(({ entries }) => entries.map(({ name }) => name)).sort();
}

/** Directories, page by page. */
export function describeListing(test: () => TestVolume): void {
  it('lists every kind of entry with its stat', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'file', '12345');
    await putFile(test(), 'dir/inner', 'x');
    await symlink('nowhere', join(dataPath, 'link'));
    const { entries, nextCursor } = await volume.list(folderId, at(''), { limit: 100 });
    const kinds = entries.map(({ name, kind }) => `${name}:${kind}`).sort();
    expect(kinds).toEqual(['dir:directory', 'file:file', 'link:symlink']);
    expect(entries.find(({ name }) => name === 'file')?.sizeBytes).toBe(5);
    expect(nextCursor).toBeNull();
    expect(namesOf([await volume.list(folderId, at('dir'), { limit: 100 })])).toEqual(['inner']);
  });

  it('hands out every entry exactly once over the pages, in directory order', async () => {
    const names = await fill(test().dataPath, 53);
    for (const limit of [1, 7, 52, 53, 54, 1000]) {
      const found = await pages(test(), limit);
      expect(namesOf(found)).toEqual(names);
      expect(found.length).toBe(Math.ceil(53 / limit));
      for (const page of found.slice(0, -1)) expect(page.entries.length).toBe(limit);
    }
    const ordered = (await pages(test(), 10)).flatMap(({ entries }) => entries.map(({ name }) => name));
    const whole = await test().volume.list(test().folderId, at(''), { limit: 100 });
    expect(ordered).toEqual(whole.entries.map(({ name }) => name));
  });

  it('answers a page again when its cursor is used twice', async () => {
    const { volume, folderId, dataPath } = test();
    await fill(dataPath, 30);
    const first = await volume.list(folderId, at(''), { limit: 10 });
    const cursor = first.nextCursor ?? '';
    const second = await volume.list(folderId, at(''), { limit: 10, cursor });
    const again = await volume.list(folderId, at(''), { limit: 10, cursor });
    expect(again.entries).toEqual(second.entries);
    expect(namesOf([first, again]).length).toBe(20);
  });

  it('goes on after entries were deleted, the last listed among them', async () => {
    const { volume, folderId, dataPath } = test();
    const names = await fill(dataPath, 40);
    const first = await volume.list(folderId, at(''), { limit: 20 });
    for (const { name } of first.entries) await rm(join(dataPath, name));
    const cursor = first.nextCursor ?? '';
    const second = await volume.list(folderId, at(''), { limit: 100, cursor });
    expect(namesOf([first, second])).toEqual(names);
    expect(await readdir(dataPath)).toHaveLength(20);
  });

  it('ends a listing whose directory was emptied', async () => {
    const { volume, folderId, dataPath } = test();
    await fill(dataPath, 10);
    const { nextCursor } = await volume.list(folderId, at(''), { limit: 5 });
    await rm(dataPath, { recursive: true });
    expect(await codeOf(volume.list(folderId, at(''), { limit: 5, cursor: nextCursor ?? '' }))).toBe(
      'entry_not_found',
    );
  });

  it('refuses a cursor that no listing gave', async () => {
    const { volume, folderId } = test();
    for (const cursor of ['', 'x', '0.0.0', `${'0'.repeat(16)}.5.!`, '../../..']) {
      const listing = volume.list(folderId, at(''), { limit: 5, cursor });
      expect(await codeOf(listing)).toBe('request_malformed');
    }
  });

  it('gives only entries of the directory asked for to the cursor of another', async () => {
    const { volume, folderId, dataPath } = test();
    await fill(dataPath, 20);
    await putFile(test(), 'dir/inner', 'x');
    const { nextCursor } = await volume.list(folderId, at(''), { limit: 5 });
    const page = await volume.list(folderId, at('dir'), { limit: 50, cursor: nextCursor ?? '' });
    for (const { name } of page.entries) expect(name).toBe('inner');
  });

  it('lists names that are no UTF-8 as not addressable', async () => {
    const { volume, folderId, dataPath } = test();
    const raw = Buffer.concat([Buffer.from(`${dataPath}/bad-`), Buffer.from([0xff, 0xfe])]);
    await writeFile(raw, 'x');
    await writeFile(join(dataPath, 'gut-ä'), 'x');
    const { entries } = await volume.list(folderId, at(''), { limit: 5 });
    const seen = entries.map(({ name, isAddressable }) => `${name}:${isAddressable}`).sort();
    expect(seen).toEqual(['bad-\ufffd\ufffd:false', 'gut-ä:true']);
  });

  it('refuses to list what is no directory as entry_conflict', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'file', 'x');
    await symlink('/', join(dataPath, 'link'));
    expect(await codeOf(volume.list(folderId, at('file'), { limit: 5 }))).toBe('entry_conflict');
    expect(await codeOf(volume.list(folderId, at('link'), { limit: 5 }))).toBe('entry_conflict');
    expect(await codeOf(volume.list(folderId, at('none'), { limit: 5 }))).toBe('entry_not_found');
  });
}
