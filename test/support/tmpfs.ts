import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createTempDir } from './temp-dir.ts';

const run = promisify(execFile);

/** Mounts a file system in memory, with limits such as `size=8m,nr_inodes=64`. */
export async function mountTmpfs(path: string, options: string): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
}

/** Changes the limits of a mounted one. */
export async function resizeTmpfs(path: string, options: string): Promise<void> {
  await run('mount', ['-o', `remount,${options}`, path]);
}

export async function unmount(path: string): Promise<void> {
  await run('umount', [path]);
}

/** Tells whether this process may mount at all. */
export async function canMount(): Promise<boolean> {
  const dir = await createTempDir();
  try {
    await mountTmpfs(dir.path, 'size=1m');
    await unmount(dir.path);
    return true;
  } catch {
    return false;
  } finally {
    await dir.remove();
  }
}
