import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CliError, exitCodes } from './exit-codes.ts';

/** What the codes of the system mean for whoever wanted to write. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'your quota on the disk is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'its owner or mode does not let you',
  EPERM: 'its owner or mode does not let you',
  ENOENT: 'its directory is not there, or takes no new files',
  ENOTDIR: 'a part of the path is no directory',
  EISDIR: 'it is a directory',
  EEXIST: 'something else is in its place',
  EFBIG: 'the file system takes no file of that size',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead nowhere',
  EIO: 'the disk has a fault',
};

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return undefined;
  return reasons[String(error.code)];
}

/**
 * Does what writes a file or directory of this machine. The system names the file in some of its errors and in others, such as that of a
 * full disk, it does not. @throws CliError that names `path` and why, for what the system refuses; anything else as it is
 */
export async function writingTo<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    throw new CliError(exitCodes.other, `${path} cannot be written: ${reason}.`, { cause: error });
  }
}

/**
 * Makes a directory and those above it that are missing, all of them with `mode`; one that is there is left as it is. Node's own way
 * never ends where a file system takes no directories and says that the one above is missing, such as `/proc`.
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if ((await stat(path).catch(() => undefined))?.isDirectory() === true) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path) throw error;
    await makeDirectories(above, mode);
    // Somebody else may have made it meanwhile.
    await mkdir(path, { mode }).catch(async (again: unknown) => {
      if ((await stat(path).catch(() => undefined))?.isDirectory() !== true) throw again;
    });
  }
}
