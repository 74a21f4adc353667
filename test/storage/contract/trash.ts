import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { at, codeOf, getFile, putFile, type TestVolume, trash } from '../test-volume.ts';

/** Deletes: into the trash by one rename, purged later. */
export function describeTrash(test: () => TestVolume): void {
  it('takes out any kind of entry and tells what it was', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'file', '12345');
    await putFile(test(), 'dir/inner', 'x');
    await symlink('/etc', join(dataPath, 'link'));
    const trashId = randomUUID();
    await volume.createTrash(folderId, trashId);
    const kinds: string[] = [];
    for (const [slot, name] of ['file', 'dir', 'link'].entries()) {
      kinds.push((await volume.trashEntry(folderId, at(name), trashId, slot)).kind);
    }
    expect(kinds).toEqual(['file', 'directory', 'symlink']);
    expect(await readdir(dataPath)).toEqual([]);
    expect((await volume.listTrash(folderId)).map(({ id }) => id)).toEqual([trashId]);
  });

  it('refuses missing entries, the root, a taken slot and a trash that is gone', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'a', '1');
    await putFile(test(), 'b', '2');
    const trashId = randomUUID();
    await volume.createTrash(folderId, trashId);
    const take = (path: string, slot: number, id = trashId): Promise<string> =>
      codeOf(volume.trashEntry(folderId, at(path), id, slot));
    expect(await take('missing', 0)).toBe('entry_not_found');
    expect(await take('a/below', 0)).toBe('entry_not_found');
    expect(await take('', 0)).toBe('entry_conflict');
    expect(await take('a', 0)).toBe('resolved');
    expect(await take('b', 0)).toBe('entry_conflict');
    await volume.purgeTrash(folderId, trashId);
    expect(await take('b', 1)).toBe('entry_not_found');
    expect(await readdir(dataPath)).toEqual(['b']);
  });

  it('takes out a directory that its owner has locked, and purges it', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'locked/inner/file', '123');
    await chmod(join(dataPath, 'locked', 'inner'), 0);
    await chmod(join(dataPath, 'locked'), 0);
    const trashId = await trash(test(), 'locked');
    expect(await volume.measureTrash(folderId, trashId)).toMatchObject({ bytes: 3, files: 1 });
    expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 3, directories: 2 });
  });

  it('restores files, directories and links to where they were, never over anything', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'dir/file', 'x');
    await symlink('nowhere', join(dataPath, 'link'));
    for (const name of ['dir/file', 'dir', 'link']) {
      const trashId = await trash(test(), name);
      expect(await volume.restoreTrash(folderId, trashId, 0, at(name))).toBe(true);
      expect(await volume.restoreTrash(folderId, trashId, 0, at(name))).toBe(false);
      expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 0, directories: 0 });
    }
    expect(await getFile(test(), 'dir/file')).toBe('x');
    const trashId = await trash(test(), 'dir/file');
    await putFile(test(), 'dir/file', 'newer');
    expect(await volume.restoreTrash(folderId, trashId, 0, at('dir/file'))).toBe(false);
    expect(await volume.restoreTrash(folderId, trashId, 0, at('missing/file'))).toBe(false);
    expect(await getFile(test(), 'dir/file')).toBe('newer');
    expect(await volume.measureTrash(folderId, trashId)).toMatchObject({ bytes: 1, files: 1 });
  });

  it('tells what lies in a slot, by an identity that taking it out does not change', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'file', '123');
    const before = await volume.stat(folderId, at('file'));
    const trashId = await trash(test(), 'file');
    expect((await volume.statTrash(folderId, trashId, 0))?.identity).toBe(before?.identity);
    expect(await volume.statTrash(folderId, trashId, 1)).toBeNull();
    expect(await volume.statTrash(folderId, randomUUID(), 0)).toBeNull();
    await putFile(test(), 'file', '123');
    expect((await volume.stat(folderId, at('file')))?.identity).not.toBe(before?.identity);
  });

  it('keeps what lies in a sealed trash, and takes no entry for those who began before', async () => {
    const { volume, folderId, dataPath } = test();
    await volume.sealTrash(folderId, randomUUID());
    expect(await volume.listTrash(folderId)).toEqual([]);
    for (const name of ['a', 'b', 'd/c', 'late']) await putFile(test(), name, name);
    const trashId = randomUUID();
    await volume.createTrash(folderId, trashId);
    for (const [slot, name] of ['a', 'b', 'd'].entries()) {
      await volume.trashEntry(folderId, at(name), trashId, slot);
    }
    const inodes = async () =>
      Promise.all([0, 1, 2].map(async (slot) => (await volume.statTrash(folderId, trashId, slot))?.inode));
    const before = await inodes();
    for (let round = 0; round < 20; round += 1) {
      await Promise.all([1, 2, 3].map(() => volume.sealTrash(folderId, trashId)));
      expect(await inodes()).toEqual(before);
    }
    await volume.trashEntry(folderId, at('late'), trashId, 3);
    expect(await volume.restoreTrash(folderId, trashId, 2, at('d'))).toBe(true);
    expect((await readdir(dataPath)).toSorted()).toEqual(['d']);
    expect(await volume.measureTrash(folderId, trashId)).toMatchObject({ bytes: 6, files: 3 });
  });

  it('loses no entry when it is sealed while others put entries into it', async () => {
    const { volume, folderId, dataPath } = test();
    const names = Array.from({ length: 60 }, (_, index) => `f${index}`);
    for (const name of names) await putFile(test(), name, 'x');
    const trashId = randomUUID();
    await volume.createTrash(folderId, trashId);
    const taking = names.map((name, slot) => codeOf(volume.trashEntry(folderId, at(name), trashId, slot)));
    for (let round = 0; round < 5; round += 1) await volume.sealTrash(folderId, trashId);
    const taken = (await Promise.all(taking)).filter((code) => code === 'resolved');
    await volume.sealTrash(folderId, trashId);
    const { files } = await volume.measureTrash(folderId, trashId);
    expect(files).toBeGreaterThanOrEqual(taken.length);
    expect(files + (await readdir(dataPath)).length).toBe(names.length);
    expect((await volume.listTrash(folderId)).map(({ id }) => id)).toEqual(expect.arrayContaining([trashId]));
  });

  it('measures what purging frees: an inode counts when all of its names are inside', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'dir/inside', '12345');
    await putFile(test(), 'dir/shared', '123');
    await link(join(dataPath, 'dir', 'inside'), join(dataPath, 'dir', 'inside-too'));
    await link(join(dataPath, 'dir', 'shared'), join(dataPath, 'shared-outside'));
    const trashId = await trash(test(), 'dir');
    const measured = await volume.measureTrash(folderId, trashId);
    expect(measured).toEqual({ bytes: 5, files: 1, directories: 1 });
    expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 4, directories: 1 });
    expect(await volume.measure(folderId)).toEqual({ bytes: 3, files: 1, directories: 0 });
  });

  it('purges again and again without complaint', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'a/b/c', '12');
    const trashId = await trash(test(), 'a');
    expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 3, directories: 2 });
    expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 0, directories: 0 });
    const nothing = { bytes: 0, files: 0, directories: 0 };
    expect(await volume.measureTrash(folderId, trashId)).toEqual(nothing);
    expect(await volume.listTrash(folderId)).toEqual([]);
  });

  it('is purged by several at once, each entry counted by one of them', async () => {
    const { volume, folderId, dataPath } = test();
    for (let dir = 0; dir < 20; dir += 1) {
      await mkdir(join(dataPath, 'tree', String(dir)), { recursive: true });
      for (let file = 0; file < 20; file += 1) {
        await writeFile(join(dataPath, 'tree', String(dir), String(file)), 'x');
      }
    }
    const trashId = await trash(test(), 'tree');
    const done = await Promise.all([1, 2, 3].map(() => volume.purgeTrash(folderId, trashId)));
    expect(done.reduce((sum, { entries }) => sum + entries, 0)).toBe(421);
    expect(await volume.listTrash(folderId)).toEqual([]);
  });

  it('leaves what was uploaded to the same name after the delete', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'name', 'old');
    const trashId = await trash(test(), 'name');
    await putFile(test(), 'name', 'new');
    await volume.purgeTrash(folderId, trashId);
    expect(await getFile(test(), 'name')).toBe('new');
  });

  it('stops purging when it is aborted and finishes when called again', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'a/b', '12');
    const trashId = await trash(test(), 'a');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(volume.purgeTrash(folderId, trashId, { signal })).rejects.toThrow('enough');
    expect(await volume.purgeTrash(folderId, trashId)).toEqual({ entries: 2, directories: 1 });
  });
}
