import { isUtf8 } from 'node:buffer';
import { componentBytesMax } from '../../../domain/entry-path.ts';
import { domainError } from '../../../domain/errors.ts';
import { standIn, standsIn } from './standing.ts';

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
const dot = Buffer.from('.');
const dots = Buffer.from('..');

function isOneTextComponent(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  if (name.includes('/') || name.includes('\0') || !name.isWellFormed()) return false;
  // UTF-8 takes at most three bytes per UTF-16 code unit, which spares nearly all names the count.
  return name.length * 3 <= componentBytesMax || Buffer.byteLength(name) <= componentBytesMax;
}

function isOneByteComponent(name: Buffer): boolean {
  if (name.length === 0 || name.length > componentBytesMax) return false;
  if (name.includes(slash) || name.includes(0)) return false;
  return !name.equals(dot) && !name.equals(dots);
}

/**
 * The path of one name inside an open directory. The whole safety of the walk rests on `name` being one component:
 * a trailing `/` or `/.` would make the kernel follow a final symlink in spite of O_NOFOLLOW.
 * @throws path_invalid unless `name` is one component of 1–255 bytes without `/` and NUL, and neither `.` nor `..`
 */
export function pathAt(fd: number, name: EntryName): EntryName {
  requireName(name);
  if (standsIn(fd)) return name;
  const directory = handlePath(fd);
  if (typeof name === 'string') return `${directory}/${name}`;
  return Buffer.concat([Buffer.from(`${directory}/`), name]);
}

/** @throws path_invalid as {@link pathAt}, for who passes a name on */
export function requireName(name: EntryName): void {
  const isPlain = typeof name === 'string' ? isOneTextComponent(name) : isOneByteComponent(name);
  if (!isPlain) {
    throw domainError('path_invalid', 'A path component is not a plain name.');
  }
}

function handlePath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The path of an open descriptor itself: reopening it never resolves a name again. */
export function pathOf(fd: number): string {
  return standsIn(fd) ? '.' : handlePath(fd);
}

/** Makes an open directory the working directory of this process: see standing.ts. */
export function enterDirectory(fd: number): void {
  standIn(fd, handlePath(fd));
}

const beyondAscii = /[\u0080-\u00ff]/;

/** Makes a {@link ByteName} usable; ASCII, nearly all there is, stays text because that is cheaper. */
export function nameFromBytes(bytes: ByteName): EntryName {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1') : bytes;
}

/** The {@link ByteName} of a name. */
export function bytesFromName(name: EntryName): ByteName {
  const bytes = typeof name === 'string' ? Buffer.from(name) : name;
  return bytes.toString('latin1');
}

/** A name as text. What is not UTF-8 gets replacement characters and `isAddressable` false. */
export function decodeName(name: EntryName): { readonly text: string; readonly isAddressable: boolean } {
  if (typeof name === 'string') return { text: name, isAddressable: true };
  return { text: name.toString('utf8'), isAddressable: isUtf8(name) };
}
