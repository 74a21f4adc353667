import { domainError } from './errors.ts';

declare const brand: unique symbol;

/**
 * A validated path inside a folder: its components, root first. Empty means the folder's root.
 * Each component is non-empty, at most 255 bytes of UTF-8, holds no `/` and no NUL, and is neither `.` nor `..`.
 */
export type EntryPath = readonly string[] & { readonly [brand]: 'EntryPath' };

/** Most bytes of one component (NAME_MAX of Linux file systems). */
export const componentBytesMax = 255;
/** Most components of a path. */
export const pathDepthMax = 64;
/** Most bytes of a whole path, separators included. */
export const pathBytesMax = 4096;

/** What a path is for: writes follow the stricter name policy, reads reach any name that exists. */
export type PathPurpose = 'read' | 'write';

const reservedNames = new Set(['.snap', '.snapshot', '.zfs']);
// C0, DEL and C1 controls, and the bidirectional overrides that disguise a name in a listing.
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point.
const unsafeCharacters = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

function refuse(detail: string): never {
  throw domainError('path_invalid', detail);
}

function checkComponent(component: string, purpose: PathPurpose): void {
  if (component === '..') refuse('A path may not contain "..".');
  if (component.includes('\0')) refuse('A path may not contain NUL.');
  if (!component.isWellFormed()) refuse('A path must be well-formed Unicode.');
  if (Buffer.byteLength(component) > componentBytesMax) {
    refuse(`A path component may have at most ${componentBytesMax} bytes.`);
  }
  if (purpose === 'read') return;
  if (component === '.') refuse('A path to write may not contain ".".');
  if (unsafeCharacters.test(component)) {
    refuse('A path may not contain control characters or bidirectional overrides.');
  }
  if (reservedNames.has(component)) refuse(`"${component}" is reserved by storage systems.`);
}

function splitLeniently(raw: string): string[] {
  const trimmed = raw.replace(/^\//, '').replace(/\/$/, '');
  return trimmed === '' ? [] : trimmed.split('/').filter((part) => part !== '.');
}

/**
 * Parses text from a request into an {@link EntryPath}; nothing is ever normalised away silently on a write.
 * Reads take `` , `.` and `/` for the root and drop one slash at either end and lone `.` components. Writes refuse
 * absolute paths, a trailing slash, `.` components, control characters and reserved names. Both refuse `..`, NUL,
 * empty components in the middle and over-long parts.
 * @throws path_invalid
 */
export function parseEntryPath(raw: string, purpose: PathPurpose): EntryPath {
  if (Buffer.byteLength(raw) > pathBytesMax) {
    refuse(`A path may have at most ${pathBytesMax} bytes.`);
  }
  if (purpose === 'write' && raw.startsWith('/')) refuse('A path to write must be relative.');
  const components = purpose === 'read' ? splitLeniently(raw) : raw.split('/');
  if (components.some((part) => part === '')) refuse('A path may not contain an empty component.');
  if (components.length > pathDepthMax) {
    refuse(`A path may have at most ${pathDepthMax} components.`);
  }
  for (const component of components) checkComponent(component, purpose);
  return components as unknown as EntryPath;
}

/** As {@link parseEntryPath}, but the root itself is refused: for operations that need a named entry. */
export function parseNamedEntryPath(raw: string, purpose: PathPurpose): EntryPath {
  const path = parseEntryPath(raw, purpose);
  if (path.length === 0) refuse('The path must name an entry inside the folder.');
  return path;
}

/** The path as text, components joined by `/`; the root is the empty string. Inverse of {@link parseEntryPath}. */
export function formatEntryPath(path: EntryPath): string {
  return path.join('/');
}

/** The directory that holds `path`, and its last component. `path` must not be the root. */
export function splitEntryPath(path: EntryPath): { parent: EntryPath; name: string } {
  const name = path.at(-1);
  if (name === undefined) refuse('The path must name an entry inside the folder.');
  return { parent: path.slice(0, -1) as unknown as EntryPath, name };
}

/** Tells whether `inner` lies below `outer` or is the same path; compared by component, never by text prefix. */
export function isWithin(outer: EntryPath, inner: EntryPath): boolean {
  return outer.length <= inner.length && outer.every((part, index) => part === inner[index]);
}

/**
 * The path of `entry` once it lies directly in `directory`, under its own name.
 * @throws path_invalid when that is too deep or too long
 */
export function entryPathBelow(directory: EntryPath, entry: EntryPath): EntryPath {
  return parseNamedEntryPath([...directory, splitEntryPath(entry).name].join('/'), 'read');
}

/** Most numbered names tried for an entry whose name is taken. */
const numberedMax = 1000;

/**
 * The path, then the same with a number before the suffix of its name: `a/b.txt`, `a/b (2).txt`, `a/b (3).txt` and so on.
 * @throws path_invalid when a numbered name is too long
 */
export function* numberedPaths(path: EntryPath): Generator<EntryPath, void, undefined> {
  yield path;
  const { parent, name } = splitEntryPath(path);
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? name.slice(0, dot) : name;
  for (let number = 2; number <= numberedMax; number += 1) {
    yield parseNamedEntryPath(
      [...parent, `${stem} (${number})${name.slice(stem.length)}`].join('/'),
      'write',
    );
  }
}
