import type { Dirent } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';

/** A file to be sent and its path below the destination. */
export interface LocalFile {
  readonly source: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** What is below the sources of a transfer. */
export interface LocalTree {
  readonly files: readonly LocalFile[];
  /** Directories without anything in them. */
  readonly emptyDirectories: readonly string[];
  /** What is neither file nor directory, and names that are not Unicode. */
  readonly skipped: readonly string[];
}

interface Growing {
  readonly files: LocalFile[];
  readonly emptyDirectories: string[];
  readonly skipped: string[];
}

const replacement = '\ufffd';

/** A name that is not UTF-8 could not be sent as it is. */
function kindOf(entry: Dirent): 'file' | 'directory' | 'other' {
  if (entry.name.includes(replacement)) return 'other';
  if (entry.isDirectory()) return 'directory';
  return entry.isFile() ? 'file' : 'other';
}

async function walk(tree: Growing, directory: string, below: string): Promise<void> {
  let count = 0;
  const inner: (readonly [source: string, path: string])[] = [];
  for await (const entry of await opendir(directory)) {
    count += 1;
    const source = join(directory, entry.name);
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const kind = kindOf(entry);
    if (kind === 'directory') inner.push([source, path]);
    else if (kind === 'file') await addFile(tree, source, path);
    else tree.skipped.push(source);
  }
  if (count === 0 && below !== '') tree.emptyDirectories.push(below);
  for (const [source, path] of inner) await walk(tree, source, path);
}

async function addFile(tree: Growing, source: string, path: string): Promise<void> {
  // What vanished since it was listed is no file of the tree.
  const found = await lstat(source).catch(() => undefined);
  if (found?.isFile() !== true) tree.skipped.push(source);
  else tree.files.push({ source, path, sizeBytes: found.size, mtimeMs: found.mtimeMs });
}

/** The name that a source gets below its destination; `dir/.` and `..` give what is in them. */
export function targetName(source: string): string {
  const name = basename(source);
  return name === '.' || name === '..' || /(?:^|\/)\.\/*$/.test(source) ? '' : name;
}

/**
 * Lists what sources hold. `named` says what each is called below the destination.
 * @throws CliError when one is missing, or is a directory and `isRecursive` is not set
 */
export async function walkLocal(
  sources: readonly { readonly source: string; readonly name: string }[],
  { isRecursive }: { readonly isRecursive: boolean },
): Promise<LocalTree> {
  const tree: Growing = { files: [], emptyDirectories: [], skipped: [] };
  for (const { source, name } of sources) {
    const found = await stat(source).catch((cause: unknown) => {
      throw new CliError(exitCodes.notFound, `${source} is not there, or cannot be read.`, { cause });
    });
    if (found.isFile()) {
      tree.files.push({ source, path: name, sizeBytes: found.size, mtimeMs: found.mtimeMs });
      continue;
    }
    if (!found.isDirectory()) throw usageError(`${source} is no regular file.`);
    if (!isRecursive) throw usageError(`${source} is a directory: give -r.`);
    await walk(tree, source, name);
  }
  return tree;
}
