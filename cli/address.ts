import type { Place } from '../client/files.ts';
import { usageError } from './exit-codes.ts';

/** What an argument of a transfer names: something in a folder, something on this machine, or a standard stream. */
export type Address =
  | ({
      readonly kind: 'remote';
      /** It can only be a directory: the root, or written with a slash at its end. */
      readonly isDirectory: boolean;
      /** `dir/.` means what is in it. */
      readonly isContent: boolean;
    } & Place)
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'stream' };

/** A remote path as the service takes it: without slashes at its ends and lone dots. @throws a usage error for `..` */
export function cleanPath(raw: string): string {
  const parts = raw.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw usageError(`"${raw}" leaves its folder: ".." has no meaning there.`);
  return parts.join('/');
}

/**
 * Reads an argument: `name:path` is remote, `-` a stream, everything else local. A slash before the first colon makes it
 * local, so that `./a:b` names a file with a colon; a folder whose name has one is named by its id.
 */
export function parseAddress(text: string): Address {
  if (text === '-') return { kind: 'stream' };
  const colon = text.indexOf(':');
  const isRemote = colon > 0 && !text.slice(0, colon).includes('/');
  if (!isRemote) {
    if (text === '') throw usageError('A path is empty.');
    return { kind: 'local', path: text };
  }
  const raw = text.slice(colon + 1);
  const path = cleanPath(raw);
  const isContent = raw === '.' || raw.endsWith('/.');
  const isDirectory = path === '' || raw.endsWith('/') || isContent;
  return { kind: 'remote', folder: text.slice(0, colon), path, isDirectory, isContent };
}

/** Reads an argument that has to be in a folder; `name` alone is its root. @throws a usage error */
export function parsePlace(text: string): Place {
  const address = parseAddress(text.includes(':') ? text : `${text}:`);
  if (address.kind === 'remote') return { folder: address.folder, path: address.path };
  throw usageError(`"${text}" is not in a folder: write folder:path.`);
}

/** Reads the name of a folder; the colon that completion leaves behind it is dropped. */
export function parseFolder(text: string): string {
  const name = text.endsWith(':') ? text.slice(0, -1) : text;
  if (name === '') throw usageError('The name of the folder is empty.');
  return name;
}

/** Joins remote paths; empty ones vanish. */
export function joinPath(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('/');
}

/** The last part of a remote path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** A place as people write it. */
export function formatPlace({ folder, path }: Place): string {
  return `${folder}:${path}`;
}
