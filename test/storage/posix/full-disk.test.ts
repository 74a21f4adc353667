import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { canMount, mountTmpfs, unmount } from '../../support/tmpfs.ts';
import { at, codeOf, folderPathOf, readAll } from '../test-volume.ts';

const folderId = randomUUID();
let dir: TempDir;
let volume: PosixVolume;

async function openSmall(options: string): Promise<void> {
  dir = await createTempDir();
  await mountTmpfs(dir.path, options);
  volume = await openPosixVolume({ name: 'small', root: dir.path });
  await volume.createFolder(folderId);
}

async function closeSmall(): Promise<void> {
  await volume.close();
  await unmount(dir.path);
  await dir.remove();
}

async function upload(path: string, sizeBytes: number): Promise<string> {
  const stageId = randomUUID();
  const writing = async (): Promise<void> => {
    const writer = await volume.createStage(folderId, stageId);
    try {
      for (let sent = 0; sent < sizeBytes; sent += 65_536) {
        await writer.write(Buffer.alloc(Math.min(65_536, sizeBytes - sent), path));
      }
      await writer.finish();
    } finally {
      await writer.close();
    }
    await volume.commitStage(folderId, stageId, at(path));
  };
  const code = await codeOf(writing());
  if (code !== 'resolved') await volume.discardStage(folderId, stageId);
  return code;
}

const isMountingAllowed = await canMount();

describe.skipIf(!isMountingAllowed)('a full disk (needs the right to mount a tmpfs)', () => {
  afterEach(closeSmall);

  describe('of 8 MiB', () => {
    beforeEach(() => openSmall('size=8m'));

    it('refuses an upload that does not fit as volume_full and shows nothing of it', async () => {
      expect(await upload('small', 1000)).toBe('resolved');
      expect(await upload('large', 20 * 2 ** 20)).toBe('volume_full');
      expect(await volume.stat(folderId, at('large'))).toBeNull();
      expect(await volume.listStages(folderId)).toEqual([]);
    });

    it('keeps the old content of a file whose replacement does not fit', async () => {
      expect(await upload('file', 3 * 2 ** 20)).toBe('resolved');
      expect(await upload('file', 6 * 2 ** 20)).toBe('volume_full');
      const content = await readAll(await volume.open(folderId, at('file')));
      expect(content.equals(Buffer.alloc(3 * 2 ** 20, 'file'))).toBe(true);
    });

    it('takes no more bytes after a failed write, and closes', async () => {
      const writer = await volume.createStage(folderId, randomUUID());
      const writeOn = async (): Promise<void> => {
        for (let count = 0; count < 20; count += 1) await writer.write(Buffer.alloc(2 ** 20));
      };
      expect(await codeOf(writeOn())).toBe('volume_full');
      await expect(writer.write(Buffer.from('more'))).rejects.toThrow('Nothing is written');
      await expect(writer.finish()).rejects.toThrow('finishes once');
      await writer.close();
    });

    it('still reads, lists and deletes, and takes uploads again once there is room', async () => {
      expect(await upload('a', 3 * 2 ** 20)).toBe('resolved');
      const data = join(folderPathOf(dir.path, folderId), 'data');
      await writeFile(join(data, 'filler'), Buffer.alloc(20 * 2 ** 20)).catch(() => undefined);
      expect(await upload('b', 2 ** 20)).toBe('volume_full');
      expect((await volume.list(folderId, at(''), { limit: 10 })).entries).toHaveLength(2);
      const trashId = randomUUID();
      await volume.createTrash(folderId, trashId);
      await volume.trashEntry(folderId, at('filler'), trashId, 0);
      await volume.purgeTrash(folderId, trashId);
      expect(await upload('b', 2 ** 20)).toBe('resolved');
    });
  });

  it('without inodes left is volume_full as well, and can be purged', async () => {
    await openSmall('size=8m,nr_inodes=40');
    const codes = new Set<string>();
    for (let count = 0; count < 60; count += 1) codes.add(await upload(`dir-${count}/file`, 10));
    expect([...codes].sort()).toEqual(['resolved', 'volume_full']);
    expect(
      await codeOf(volume.makeDirectory(folderId, at('more/and/more'), { parents: true, existOk: true })),
    ).toBe('volume_full');
    await volume.purgeFolder(folderId);
    expect(await readdir(join(dir.path, 'f', folderId.slice(-4, -2), folderId.slice(-2)))).toEqual([]);
    await volume.createFolder(folderId);
    expect(await upload('again', 10)).toBe('resolved');
  });

  it('says so when what an archive has gathered does not fit', async () => {
    await openSmall('size=64k');
    const draft = await volume.createArchive(randomUUID());
    const taken = new Promise((resolve) => draft.sink.write(Buffer.alloc(256 * 1024), resolve));
    await taken;
    expect(await codeOf(draft.flush())).toBe('volume_full');
    await draft.abort();
    for await (const batch of volume.listArchives()) expect(batch).toEqual([]);
  });

  it('keeps an archive that does not fit from being published', async () => {
    await openSmall('size=2m');
    const id = randomUUID();
    const draft = await volume.createArchive(id);
    draft.sink.write(Buffer.alloc(4 * 2 ** 20));
    expect(await codeOf(draft.finish())).toBe('volume_full');
    await draft.abort();
    expect(await codeOf(volume.openArchive(id))).toBe('entry_not_found');
    for await (const batch of volume.listArchives()) expect(batch).toEqual([]);
  });
});

async function mountPointBelow(path: string): Promise<string> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return mounts.find((mounted) => mounted.startsWith(`${path}/`)) ?? '';
}

describe('a second file system mounted inside a folder', () => {
  it.skipIf(!isMountingAllowed)('is not entered by any verb, not even by the purge', async () => {
    dir = await createTempDir();
    volume = await openPosixVolume({ name: 'outer', root: dir.path });
    await volume.createFolder(folderId);
    const mountPoint = join(folderPathOf(dir.path, folderId), 'data', 'mounted');
    await mkdir(mountPoint);
    await mountTmpfs(mountPoint, 'size=1m');
    try {
      await writeFile(join(mountPoint, 'file'), 'other volume');
      expect(await codeOf(volume.open(folderId, at('mounted/file')))).toBe('entry_not_found');
      expect(await codeOf(volume.list(folderId, at('mounted'), { limit: 5 }))).toBe('entry_conflict');
      expect(await volume.measure(folderId)).toMatchObject({ bytes: 0, files: 0 });
      expect(await upload('mounted/new', 10)).toBe('entry_conflict');
      expect(await readdir(mountPoint)).toEqual(['file']);
      // The purge takes the whole of `data` aside first, and the mount point with it.
      expect(await codeOf(volume.purgeFolder(folderId))).toBe('entry_conflict');
      expect(await readdir(await mountPointBelow(dir.path))).toEqual(['file']);
    } finally {
      await unmount(await mountPointBelow(dir.path));
      await volume.purgeFolder(folderId);
      await volume.close();
      await dir.remove();
    }
  });
});
