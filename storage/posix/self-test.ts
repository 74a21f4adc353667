import { randomUUID } from 'node:crypto';
import { hasErrno, volumeUnavailable } from './errno.ts';
import { makeFolder, openArea, openFolder, type VolumeRoot } from './folder-areas.ts';
import {
  type Directory,
  makeChild,
  openChild,
  openNumber,
  removeChild,
  renameChild,
  statDirectory,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from './handles/directory.ts';
import { pathAt } from './handles/entry-name.ts';
import { modes, openFlags, syscalls } from './handles/syscalls.ts';
import { purgeFolder } from './walks/purge.ts';

function refuse(what: string, cause?: unknown): never {
  throw volumeUnavailable(new Error(`Self-test of the volume failed: ${what}.`, { cause }));
}

/** The walk is only as safe as this: a symlink is never entered, through a handle, whatever it points to. */
async function checkLinksAreRefused(data: Directory): Promise<void> {
  const name = 'link';
  await data.using((fd) => syscalls.symlink('/', pathAt(fd, name)));
  try {
    await (await openChild(data, name)).close();
  } catch (error) {
    if (!hasErrno(error, 'ENOTDIR', 'ELOOP')) refuse('a planted link gave an unexpected error', error);
    return;
  } finally {
    await unlinkChild(data, name);
  }
  refuse('a planted link was followed');
}

/** An upload becomes visible, and a delete disappears, by one rename: both need one device and one quota realm. */
async function checkRename(from: Directory, to: Directory): Promise<void> {
  const name = 'probe';
  const fd = await openNumber(from, name, openFlags.create, modes.file);
  await from.bulkhead.run(() => syscalls.fsync(fd).finally(() => syscalls.close(fd)), { kind: 'patient' });
  await renameChild(from, name, to, name);
  await syncDirectory(to);
  await unlinkChild(to, name);
}

async function checkDevices(areas: readonly Directory[]): Promise<void> {
  for (const area of areas) {
    if ((await statDirectory(area)).dev !== area.device) refuse('an area lies on another device');
  }
}

async function checkFolder(root: VolumeRoot, folderId: string): Promise<void> {
  await withDirectory(openArea(root, folderId, 'data'), (data) =>
    withDirectory(openArea(root, folderId, 'stage'), (stage) =>
      withDirectory(openArea(root, folderId, 'trash'), async (trash) => {
        await checkDevices([data, stage, trash]);
        await checkLinksAreRefused(data);
        await checkRename(stage, data);
        await checkRename(trash, data);
        await makeChild(data, 'directory');
        await removeChild(data, 'directory');
      }),
    ),
  );
}

/**
 * `Volume.selfTest`: in a folder of its own, which is removed again. Also fails where /proc is not mounted.
 * @throws volume_unavailable, the reason in `cause`
 */
export async function selfTest(root: VolumeRoot): Promise<void> {
  const folderId = randomUUID();
  try {
    await makeFolder(root, folderId);
    await (await openFolder(root, folderId)).close();
    await checkFolder(root, folderId);
  } catch (error) {
    throw volumeUnavailable(error);
  } finally {
    await purgeFolder(root, folderId, undefined).catch(() => undefined);
  }
}
