import { isUtf8 } from 'node:buffer';
import { componentBytesMax } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';

/**
 * One name in one directory. Text is UTF-8; bytes stand for names that containers made and that may be no UTF-8.
 * Nothing is assumed of it: {@link pathAt} checks it each time.
 */
export type EntryName = string | Buffer;

/**
 * A name as bytes, one character per byte (latin1): compact, and its natural order is byte order. Directory readers
 * give names in this form; {@link nameFromBytes} makes them usable.
 */
export type ByteName = string;

const slash = 0x2f;
const dot = 0x2e;

function isOneComponent(name: EntryName): boolean {
  if (typeof name === 'string') {
    if (name === '' || name === '.' || name === '..') return false;
    if (name.includes('/') || name.includes('\0') || !name.isWellFormed()) return false;
    return Buffer.byteLength(name) <= componentBytesMax;
  }
  if (name.length === 0 || name.length > componentBytesMax) return false;
  if (name.includes(slash) || name.includes(0)) return false;
  const isDots = name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
  return !isDots;
}

/**
 * The path of one name inside an open directory. The whole safety of the walk rests on `name` being one component:
 * a trailing `/` or `/.` would make the kernel follow a final symlink in spite of O_NOFOLLOW.
 * @throws path_invalid unless `name` is one component of 1–255 bytes without `/` and NUL, and neither `.` nor `..`
 */
export function pathAt(fd: number, name: EntryName): EntryName {
  if (!isOneComponent(name)) {
    throw domainError('path_invalid', 'A path component is not a plain name.');
  }
  const directory = pathOf(fd);
  if (typeof name === 'string') return `${directory}/${name}`;
  return Buffer.concat([Buffer.from(`${directory}/`), name]);
}

/** The path of an open descriptor itself: reopening it never resolves a name again. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

const ascii = /^[\u0001-\u007f]*$/;

/** Makes a {@link ByteName} usable; ASCII, nearly all there is, stays text because that is cheaper. */
export function nameFromBytes(bytes: ByteName): EntryName {
  return ascii.test(bytes) ? bytes : Buffer.from(bytes, 'latin1');
}

/** A name as text. What is not UTF-8 gets replacement characters and `isAddressable` false. */
export function decodeName(name: EntryName): { readonly text: string; readonly isAddressable: boolean } {
  if (typeof name === 'string') return { text: name, isAddressable: true };
  return { text: name.toString('utf8'), isAddressable: isUtf8(name) };
}
