import { domainError } from './errors.ts';
import { folderNameCharactersMax, parseFolderName } from './folder-name.ts';
import { holdsRight, type Permission } from './permission.ts';

/** Most folders that one compute session mounts. */
export const mountFoldersMax = 5;
/** Most compute sessions of one user that have folders mounted at the same time. */
export const mountSessionsMax = 100;
/** How long a session's lease is good without a heartbeat, in seconds. */
export const mountLeaseSeconds = { least: 30, usual: 300, most: 86_400 } as const;
/** Where a session sees what it mounted. */
const mountHome = '/home/work';

/** What names a compute session: one segment of a path, and nothing that a shell or a mount option would read otherwise. */
export const mountSessionPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A folder to mount as callers write it: `name`, or `name:alias`. */
export interface MountWish {
  readonly nameOrId: string;
  /** `undefined`: the caller's name for the folder. */
  readonly alias: string | undefined;
}

/**
 * Reads `name` or `name:alias`. What follows the last colon is the alias, so that what a text means never depends on which folders
 * there are, and a name with a colon is written with an alias behind it. Neither part is checked here.
 */
export function readMountWish(text: string): MountWish {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return { nameOrId: text, alias: undefined };
  return { nameOrId: text.slice(0, colon), alias: text.slice(colon + 1) };
}

/** What separates the fields of a mount where containers are started: `source:target:options`, `type=bind,target="…"`. */
const separators = /[:,"]/u;
/** Most bytes of a name on Linux file systems. */
const targetBytesMax = 255;

/**
 * Checks an alias and returns it unchanged: what a folder may be called, without `:`, `,` and `"`, not hidden (nobody else's folder
 * takes the place of `.ssh` or `.bashrc` in the home of a session), and at most 255 bytes.
 * @throws name_invalid
 */
export function parseMountAlias(raw: string): string {
  const refuse = (detail: string) => domainError('name_invalid', detail);
  if (raw.startsWith('.')) throw refuse('An alias does not begin with ".": it would be hidden.');
  if (separators.test(raw)) throw refuse('An alias has no ":", "," or quotation mark.');
  const length = [...raw].length;
  if (length < 1 || length > folderNameCharactersMax || Buffer.byteLength(raw) > targetBytesMax) {
    throw refuse(
      `An alias has 1 to ${folderNameCharactersMax} characters, in ${targetBytesMax} bytes at most.`,
    );
  }
  return parseFolderName(raw);
}

/** Where a session sees a folder: an absolute path inside it. */
export function mountTarget(alias: string): string {
  return `${mountHome}/${alias}`;
}

/**
 * Whether a folder is mounted read-only for somebody. A file system that may be written to lets everything be deleted, so whoever
 * may not delete is not given one.
 */
export function mountsReadOnly(member: {
  readonly permission: Permission;
  readonly isOwner: boolean;
}): boolean {
  return !holdsRight(member, 'delete');
}
