import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { FolderLookups } from '../../../storage/volume.ts';
import { eventually } from '../../support/eventually.ts';
import { at, codeOf, type TestVolume } from '../test-volume.ts';

/** How many descriptors of this process are open at `path` or below. */
async function openFiles(path: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target === path || target.startsWith(`${path}/`)).length;
}

/** What a run looks up once for many files. */
export function describeLookups(test: () => TestVolume): void {
  async function commit(path: string, lookups: FolderLookups): Promise<string> {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const writer = await volume.createStage(folderId, stageId, lookups);
    await writer.write(Buffer.from(path));
    const { inode } = await writer.finish();
    await writer.close();
    expect((await volume.statStage(folderId, stageId, lookups))?.inode).toBe(inode);
    return await volume.commitStage(folderId, stageId, at(path), lookups);
  }

  const open = () => test().volume.openLookups(test().folderId);
  const read = (path: string) => readFile(join(test().dataPath, path), 'utf8');

  it('commits files of more directories than are kept open at once, and closes them all', async () => {
    const before = await openFiles(test().rootPath);
    const lookups = await open();
    const paths = Array.from({ length: 300 }, (_, index) => `new/${index % 100}/${index}`);
    expect(new Set(await Promise.all(paths.map((path) => commit(path, lookups))))).toEqual(
      new Set(['committed']),
    );
    for (const path of paths) expect(await read(path)).toBe(path);
    expect(lookups.directoriesMade()).toBe(101);
    for (const path of ['new/7/7', 'new/99/199']) {
      const stat = await test().volume.stat(test().folderId, at(path), lookups);
      expect(stat).toMatchObject({ kind: 'file', sizeBytes: path.length });
    }
    lookups.close();
    // The folder itself stays open for the next caller.
    await eventually(async () => expect(await openFiles(test().rootPath)).toBeLessThanOrEqual(before + 1));
  });

  it('takes a second delivery for done, whatever has the name by then, where the parent was looked up', async () => {
    const { volume, folderId, dataPath } = test();
    await mkdir(join(dataPath, 'd'));
    const lookups = await open();
    for (const name of ['kept', 'gone', 'directory']) {
      const stageId = randomUUID();
      await (await volume.createStage(folderId, stageId, lookups)).finish();
      const path = at(`d/${name}`);
      expect(await volume.stat(folderId, path, lookups)).toBeNull();
      expect(await volume.commitStage(folderId, stageId, path, lookups)).toBe('committed');
      if (name !== 'kept') await rm(join(dataPath, 'd', name));
      if (name === 'directory') await mkdir(join(dataPath, 'd', name));
      expect(await volume.commitStage(folderId, stageId, path, lookups)).toBe('stage_missing');
    }
    expect((await readdir(join(dataPath, 'd'))).sort()).toEqual(['directory', 'kept']);
    lookups.close();
  });

  it('makes a parent again that was looked up and is removed before the rename', async () => {
    const { volume, folderId, dataPath } = test();
    await mkdir(join(dataPath, 'd/e'), { recursive: true });
    const lookups = await open();
    expect(await volume.stat(folderId, at('d/e/file'), lookups)).toBeNull();
    await rm(join(dataPath, 'd'), { recursive: true });
    expect(await commit('d/e/file', lookups)).toBe('committed');
    expect(await read('d/e/file')).toBe('d/e/file');
    lookups.close();
  });

  it('sees a directory that was made after it was missed, and makes one again that was removed', async () => {
    const { volume, folderId, dataPath } = test();
    const lookups = await open();
    expect(await volume.stat(folderId, at('d/one'), lookups)).toBeNull();
    await mkdir(join(dataPath, 'd'));
    expect(await commit('d/one', lookups)).toBe('committed');
    expect(await volume.stat(folderId, at('d/one'), lookups)).not.toBeNull();
    await rm(join(dataPath, 'd'), { recursive: true });
    expect(await commit('d/two', lookups)).toBe('committed');
    expect(await readdir(join(dataPath, 'd'))).toEqual(['two']);
    lookups.close();
  });

  it('keeps to the directory that it found, whatever takes its name', async () => {
    const { dataPath } = test();
    const lookups = await open();
    expect(await commit('d/one', lookups)).toBe('committed');
    await rename(join(dataPath, 'd'), join(dataPath, 'moved'));
    await mkdir(join(dataPath, 'other'));
    await symlink('other', join(dataPath, 'd'));
    expect(await commit('d/two', lookups)).toBe('committed');
    expect((await readdir(join(dataPath, 'moved'))).sort()).toEqual(['one', 'two']);
    expect(await readdir(join(dataPath, 'other'))).toEqual([]);
    lookups.close();
    const fresh = await open();
    expect(await codeOf(commit('d/three', fresh))).toBe('entry_conflict');
    fresh.close();
  });

  it('is refused for another folder', async () => {
    const { volume } = test();
    const other = randomUUID();
    await volume.createFolder(other);
    const lookups = await open();
    await expect(volume.statStage(other, randomUUID(), lookups)).rejects.toThrow(
      'the folder they were opened for',
    );
    lookups.close();
  });
}
