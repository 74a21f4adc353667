import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { at, codeOf, folderPathOf, putFile, type TestVolume, trash } from '../test-volume.ts';

/** Folders as a whole: made, listed, measured, purged. */
export function describeFolders(test: () => TestVolume): void {
  it('passes its self-test and leaves nothing of it behind', async () => {
    const { volume, folderId } = test();
    await volume.selfTest();
    const ids: string[] = [];
    for await (const batch of volume.listFolders()) ids.push(...batch.map(({ id }) => id));
    expect(ids).toEqual([folderId]);
  });

  it('tells how much room there is', async () => {
    const capacity = await test().volume.capacity();
    expect(capacity.bytesFree).toBeGreaterThan(0);
    expect(capacity.bytesTotal).toBeGreaterThanOrEqual(capacity.bytesFree);
    expect(capacity.inodesTotal).toBeGreaterThanOrEqual(capacity.inodesFree);
  });

  it('tells where the content of a folder is mounted from', async () => {
    const { volume, folderId, folderPath } = test();
    await putFile(test(), 'a.txt', 'seen');
    const { path, subpath } = volume.mountSource(folderId);
    expect(path).toBe(join(folderPath, 'data'));
    expect(path.endsWith(`/${subpath}`)).toBe(true);
    expect(subpath).toMatch(/^f\/[0-9a-f]{2}\/[0-9a-f]{2}\/[0-9a-f-]{36}\/data$/);
    expect(await readFile(join(path, 'a.txt'), 'utf8')).toBe('seen');
  });

  it('makes a folder twice without touching what is in it', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'a.txt', 'kept');
    await volume.createFolder(folderId);
    expect((await volume.stat(folderId, at('a.txt')))?.sizeBytes).toBe(4);
  });

  it('keeps staging and trash from everybody but the service', async () => {
    const { folderPath } = test();
    expect((await readdir(folderPath)).sort()).toEqual(['data', 'stage', 'trash']);
    expect((await stat(join(folderPath, 'stage'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folderPath, 'trash'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folderPath, 'data'))).mode & 0o777).toBe(0o755);
    expect((await stat(folderPath)).mode & 0o777).toBe(0o711);
  });

  it('lists every folder once, with its age', async () => {
    const { volume, folderId } = test();
    const others = Array.from({ length: 5 }, () => randomUUID());
    await Promise.all(others.map((id) => volume.createFolder(id)));
    const found = [];
    for await (const batch of volume.listFolders()) found.push(...batch);
    expect(found.map(({ id }) => id).sort()).toEqual([folderId, ...others].sort());
    for (const { modifiedAt } of found) expect(Date.now() - modifiedAt.getTime()).toBeLessThan(600_000);
  });

  it('sets a folder aside whole and with a note, again and again, and purges what it set aside', async () => {
    const { volume, folderId, folderPath } = test();
    await putFile(test(), 'a/b.txt', 'kept');
    const aside = join(folderPath, '..', '..', '..', '..', 'lost', folderId);
    expect(await volume.setFolderAside(folderId, '{"why":1}')).toBe(true);
    expect(await volume.setFolderAside(folderId, '{"why":2}')).toBe(false);
    expect(await codeOf(volume.list(folderId, at(''), { limit: 1 }))).toBe('entry_not_found');
    expect(await readFile(join(aside, 'folder', 'data', 'a', 'b.txt'), 'utf8')).toBe('kept');
    expect(await readFile(join(aside, 'note.json'), 'utf8')).toBe('{"why":1}');

    await volume.createFolder(folderId);
    expect(await volume.setFolderAside(folderId, '{"why":3}')).toBe(true);
    expect((await readdir(aside)).sort()).toEqual(['folder', 'folder.2', 'note.json']);
    const listed = [];
    for await (const batch of volume.listAside()) listed.push(...batch.map(({ id }) => id));
    expect(listed).toEqual([folderId]);
    expect(await volume.measureAside(folderId)).toMatchObject({ bytes: 4 + '{"why":3}'.length, files: 2 });

    await volume.purgeAside(folderId);
    await volume.purgeAside(folderId);
    expect(await readdir(join(aside, '..'))).toEqual([]);
    expect(await codeOf(volume.measureAside(folderId))).toBe('entry_not_found');
  });

  it('refuses every use of a folder that is not there as entry_not_found', async () => {
    const { volume } = test();
    const folderId = randomUUID();
    const id = randomUUID();
    const refused = [
      volume.createStage(folderId, id),
      volume.commitStage(folderId, id, at('a')),
      volume.list(folderId, at(''), { limit: 10 }),
      volume.open(folderId, at('a')),
      volume.makeDirectory(folderId, at('a'), { parents: true, existOk: true }),
      volume.move(folderId, at('a'), at('b')),
      volume.createTrash(folderId, id),
      volume.trashEntry(folderId, at('a'), id, 0),
      volume.measure(folderId),
    ];
    for (const code of await Promise.all(refused.map(codeOf))) expect(code).toBe('entry_not_found');
    expect(await volume.stat(folderId, at('a'))).toBeNull();
    expect(await volume.restoreTrash(folderId, id, 0, at('a'))).toBe(false);
    await volume.discardStage(folderId, id);
    expect(await volume.purgeFolder(folderId)).toEqual({ entries: 0, directories: 0 });
  });

  it('measures bytes and regular files, and an inode with several names once', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'a/b/one.txt', '12345');
    await putFile(test(), 'two.txt', '123');
    await link(join(dataPath, 'two.txt'), join(dataPath, 'a', 'again.txt'));
    await symlink('two.txt', join(dataPath, 'link'));
    await mkdir(join(dataPath, 'empty'));
    expect(await volume.measure(folderId)).toEqual({ bytes: 8, files: 2, directories: 3 });
  });

  it('measures a directory that its owner has locked', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'locked/a.txt', '12345');
    await chmod(join(dataPath, 'locked'), 0);
    expect(await volume.measure(folderId)).toEqual({ bytes: 5, files: 1, directories: 1 });
  });

  it('does not count staged and trashed bytes as usage', async () => {
    const { volume, folderId } = test();
    const writer = await volume.createStage(folderId, randomUUID());
    await writer.write(Buffer.from('staged'));
    await writer.finish();
    await putFile(test(), 'a.txt', 'trashed');
    await trash(test(), 'a.txt');
    expect(await volume.measure(folderId)).toEqual({ bytes: 0, files: 0, directories: 0 });
  });

  it('stops measuring when it is aborted, with the reason of the abort', async () => {
    const { volume, folderId } = test();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(volume.measure(folderId, { signal })).rejects.toThrow('enough');
  });

  it('purges a folder with everything in it and can be called again', async () => {
    const { volume, folderId, dataPath, rootPath, folderPath } = test();
    await putFile(test(), 'a/b/c.txt', '12345');
    await writeFile(join(dataPath, 'plain'), '123');
    await symlink('/etc', join(dataPath, 'link'));
    await putFile(test(), 'gone.txt', '1');
    await trash(test(), 'gone.txt');
    const writer = await volume.createStage(folderId, randomUUID());
    await writer.write(Buffer.from('12'));
    await writer.finish();
    expect(await volume.purgeFolder(folderId)).toEqual({ entries: 10, directories: 5 });
    await expect(stat(folderPath)).rejects.toThrow('ENOENT');
    expect(folderPath).toBe(folderPathOf(rootPath, folderId));
    expect(await volume.purgeFolder(folderId)).toEqual({ entries: 0, directories: 0 });
  });

  it('finishes the purge of a folder that an earlier one left half done', async () => {
    const { volume, folderId, folderPath } = test();
    await putFile(test(), 'a.txt', '1');
    await mkdir(join(folderPath, 'trash', 'p-0123456789abcdef-1', 'deep'), { recursive: true });
    await writeFile(join(folderPath, 'trash', 'p-0123456789abcdef-1', 'deep', 'x'), '12');
    expect(await volume.purgeFolder(folderId)).toEqual({ entries: 6, directories: 4 });
    await expect(stat(folderPath)).rejects.toThrow('ENOENT');
  });
}
