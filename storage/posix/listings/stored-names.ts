import type { StoredName } from '../../volume.ts';
import { hasErrno, toStorageError } from '../errno.ts';
import { type Directory, openChild } from '../handles/directory.ts';
import { byteNames, statSync } from '../handles/directory-sync.ts';
import { isId } from '../layout.ts';
import { createTimeSlice } from '../time-slice.ts';

/** Names handed out at once. */
const batchNames = 1000;
/** A level that only spreads what is below it. */
const shelfForm = /^[0-9a-f]{2}$/;

/** Which id a name on disk belongs to, or `null` when it is none of ours. */
export type IdOf = (name: string) => string | null;

const asId: IdOf = (name) => (isId(name) ? name : null);

async function* listBatches(directory: Directory, idOf: IdOf): AsyncGenerator<StoredName[]> {
  const slice = createTimeSlice();
  let batch: StoredName[] = [];
  for (const name of byteNames(directory)) {
    if (slice.isOver()) await slice.rest();
    const id = idOf(name);
    const stat = id === null ? null : statSync(directory, name);
    if (id === null || stat === null) continue;
    batch.push({ id, modifiedAt: stat.mtime });
    if (batch.length < batchNames) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The entries of one of our directories that bear an id, with their age; whatever else lies there is left out. */
export async function listStoredNames(directory: Directory): Promise<StoredName[]> {
  const found: StoredName[] = [];
  for await (const batch of listBatches(directory, asId)) found.push(...batch);
  return found;
}

async function openShelf(parent: Directory, name: string): Promise<Directory | null> {
  try {
    return await openChild(parent, name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

async function* listBelow(
  parent: Directory,
  shelf: { readonly name: string; readonly levels: number },
  idOf: IdOf,
): AsyncGenerator<StoredName[]> {
  const directory = await openShelf(parent, shelf.name);
  if (directory === null) return;
  try {
    if (shelf.levels === 0) {
      yield* listBatches(directory, idOf);
      return;
    }
    for (const name of byteNames(directory)) {
      if (shelfForm.test(name)) yield* listBelow(directory, { name, levels: shelf.levels - 1 }, idOf);
    }
  } finally {
    await directory.close();
  }
}

/** Every id `levels` below the directory `name`, with its age, in batches, one level open at a time. */
export async function* listShelved(
  root: Directory,
  shelf: { readonly name: string; readonly levels: number },
  idOf: IdOf = asId,
): AsyncGenerator<StoredName[]> {
  try {
    yield* listBelow(root, shelf, idOf);
  } catch (error) {
    throw toStorageError(error);
  }
}
