import { join } from 'node:path';
import type { EntryPath } from '../../domain/entry-path.ts';
import { createPacker, type Packer } from '../archive/packer.ts';
import type { FolderLookups, PurgeOptions, StageWriter, Volume, WorkOptions } from '../volume.ts';
import { createArchive, listArchives, openArchive, removeArchive } from './archive-area.ts';
import { listAside, measureAside, purgeAside, setFolderAside } from './aside.ts';
import { type Bulkhead, noBulkhead } from './bulkhead.ts';
import { copyTree, discardTree, publishTree } from './copy-tree.ts';
import { makeDirectory, moveEntry, resumeMove, statEntry } from './entries.ts';
import { withStorageErrors as coded, errnoOf, volumeUnavailable } from './errno.ts';
import { makeFolder, type VolumeRoot } from './folder-areas.ts';
import { createFolderCache } from './folder-cache.ts';
import { closeLate, makeChild, ownDirectory, syncDirectory } from './handles/directory.ts';
import { pathOf } from './handles/entry-name.ts';
import { modes, openFlags, syscalls } from './handles/syscalls.ts';
import { type FolderInspection, inspectFolder, listForeign, mendFolder } from './inspect.ts';
import { archivesName, areaComponents, foldersName } from './layout.ts';
import { createReaderCache, listEntries, type ReaderCache } from './listings/listing.ts';
import { createSortedCache, listSortedEntries, type SortedCache } from './listings/sorted-listing.ts';
import { listShelved } from './listings/stored-names.ts';
import { createLookupRegistry, type LookupRegistry } from './lookups.ts';
import { sealTrash } from './seal-trash.ts';
import { selfTest } from './self-test.ts';
import { commitStage, createStage, discardStage, listStages, statStage, syncStage } from './staging/stage.ts';
import { appendStage, copyStage, cutStage, openStage } from './staging/stage-parts.ts';
import { createTrash, listTrash, restoreTrash, statTrash, trashEntry } from './trash.ts';
import { openEntry } from './volume-threads/entry-reads.ts';
import { createHands, type HandPool } from './volume-threads/hands.ts';
import { createReadingThreads } from './volume-threads/reading-threads.ts';
import { type AloneMs, createCrew } from './walks/crew.ts';
import { measureData, measureTrash } from './walks/measure.ts';
import { purgeFolder, purgeTrash } from './walks/purge.ts';
import { walkTree } from './walks/tree-walk.ts';

/** A volume with the descriptors it holds. */
export interface PosixVolume extends Volume {
  /** Looks at a folder's own directories: owners, modes, names that are none of ours. `null` when there is no such folder. */
  inspectFolder(folderId: string): Promise<FolderInspection | null>;
  /**
   * Makes the directories of a folder that are missing, and gives those above and beside `data` the owner and the mode they
   * should have. @throws volume_unavailable when that takes more rights than this process has
   */
  mendFolder(folderId: string): Promise<void>;
  /** Names where folders, archives and what was set aside lie that are none of ours, as paths from the root. */
  listForeign(): AsyncIterable<string>;
  /**
   * Ends threads and walkers, closes the root, the folders kept open and the readers of unfinished listings. Only when nothing
   * runs on it.
   */
  close(): Promise<void>;
}

async function openRoot(
  path: string,
  bulkhead: Bulkhead,
  aloneMs: AloneMs | undefined,
  handPool: HandPool | undefined,
): Promise<VolumeRoot> {
  await bulkhead.run(async () => {
    await syscalls.mkdir(path, { recursive: true, mode: modes.upper });
  });
  // The operator's own path, so links in it are followed; everything below goes through this handle.
  const fd = await bulkhead.run(() => syscalls.open(path, openFlags.root), { onLate: closeLate });
  const { dev } = await bulkhead.run(() => syscalls.fstat(fd, { bigint: true }));
  const directory = ownDirectory(fd, dev, bulkhead);
  return Object.assign(directory, {
    folders: createFolderCache(),
    crew: createCrew(directory, aloneMs),
    reads: createReadingThreads(),
    hands: createHands(bulkhead, handPool),
  });
}

async function makeAreas(root: VolumeRoot): Promise<void> {
  const hasNewFolders = await makeChild(root, foldersName, modes.upper);
  const hasNewArchives = await makeChild(root, archivesName, modes.closed);
  if (hasNewFolders || hasNewArchives) await syncDirectory(root);
}

function upkeepOperations(
  root: VolumeRoot,
): Pick<
  PosixVolume,
  | 'setFolderAside'
  | 'listAside'
  | 'measureAside'
  | 'purgeAside'
  | 'inspectFolder'
  | 'mendFolder'
  | 'listForeign'
> {
  return {
    setFolderAside: (folderId, note) => coded(() => setFolderAside(root, folderId, note)),
    listAside: () => listAside(root),
    measureAside: (folderId, options) => coded(() => measureAside(root, folderId, options)),
    purgeAside: (folderId, options) => coded(() => purgeAside(root, folderId, options)),
    inspectFolder: (folderId) => coded(() => inspectFolder(root, folderId)),
    mendFolder: (folderId) => coded(() => mendFolder(root, folderId)),
    listForeign: () => listForeign(root),
  };
}

function folderOperations(
  root: VolumeRoot,
): Pick<Volume, 'createFolder' | 'listFolders' | 'purgeFolder' | 'measure'> {
  return {
    createFolder: (folderId) => coded(() => makeFolder(root, folderId)),
    listFolders: () => listShelved(root, { name: foldersName, levels: 2 }),
    purgeFolder: (folderId, options) => coded(() => purgeFolder(root, folderId, options)),
    measure: (folderId, options) => coded(() => measureData(root, folderId, options)),
  };
}

function stageOperations(
  root: VolumeRoot,
  registry: LookupRegistry,
): Pick<
  Volume,
  'openLookups' | 'createStage' | 'syncStage' | 'discardStage' | 'statStage' | 'listStages' | 'commitStage'
> {
  const folderOf = (folderId: string, given: FolderLookups | undefined) => {
    return { root, folderId, lookups: registry.of(folderId, given) };
  };
  return {
    openLookups: async (folderId) => registry.open(folderId),
    createStage: (folderId, stageId, lookups): Promise<StageWriter> =>
      coded(() => createStage(folderOf(folderId, lookups), stageId)),
    syncStage: (folderId) => coded(() => syncStage(root, folderId)),
    discardStage: (folderId, stageId) => coded(() => discardStage(root, folderId, stageId)),
    statStage: (folderId, stageId, lookups) => coded(() => statStage(folderOf(folderId, lookups), stageId)),
    listStages: (folderId) => coded(() => listStages(root, folderId)),
    commitStage: (folderId: string, stageId: string, path: EntryPath, lookups?: FolderLookups) =>
      coded(() => commitStage(folderOf(folderId, lookups), stageId, path)),
  };
}

function stagePartOperations(
  root: VolumeRoot,
): Pick<Volume, 'appendStage' | 'openStage' | 'cutStage' | 'copyStage'> {
  return {
    appendStage: (folderId, place) => coded(() => appendStage(root, folderId, place)),
    openStage: (folderId, stageId) => coded(() => openStage(root, folderId, stageId)),
    cutStage: (folderId, place) => coded(() => cutStage(root, folderId, place)),
    copyStage: (folderId, copy) => coded(() => copyStage(root, folderId, copy)),
  };
}

interface EntryParts {
  readonly readers: ReaderCache;
  readonly sorted: SortedCache;
  readonly registry: LookupRegistry;
}

function entryOperations(
  root: VolumeRoot,
  { readers, sorted, registry }: EntryParts,
): Pick<Volume, 'stat' | 'list' | 'listSorted' | 'open' | 'walk' | 'makeDirectory' | 'move' | 'resumeMove'> {
  return {
    stat: (folderId, path, given) =>
      coded(() => statEntry(root, { folderId, path, lookups: registry.of(folderId, given) })),
    list: (folderId, path, options) => coded(() => listEntries(root, readers, { folderId, path }, options)),
    listSorted: (folderId, path, options) =>
      coded(() => listSortedEntries(root, sorted, { folderId, path }, options)),
    open: (folderId, path) => coded(() => openEntry(root, folderId, path)),
    walk: (folderId, path, options) => walkTree(root, folderId, path, options),
    makeDirectory: (folderId, path, options) => coded(() => makeDirectory(root, folderId, path, options)),
    move: (folderId, from, to) => coded(() => moveEntry(root, folderId, from, to)),
    resumeMove: (folderId: string, from: EntryPath, to: EntryPath, inode: string) =>
      coded(() => resumeMove(root, folderId, { from, to }, inode)),
  };
}

function copyOperations(root: VolumeRoot): Pick<Volume, 'copyTree' | 'publishTree' | 'discardTree'> {
  return {
    copyTree: (folderId, target, entries, options) =>
      coded(() => copyTree(root, folderId, target, { entries, options })),
    publishTree: (folderId: string, stageId: string, path: EntryPath, inode: string) =>
      coded(() => publishTree(root, folderId, stageId, { path, inode })),
    discardTree: (folderId: string, stageId: string, options?: PurgeOptions) =>
      coded(() => discardTree(root, folderId, stageId, options)),
  };
}

function trashOperations(
  root: VolumeRoot,
): Pick<
  Volume,
  | 'createTrash'
  | 'trashEntry'
  | 'sealTrash'
  | 'statTrash'
  | 'restoreTrash'
  | 'listTrash'
  | 'measureTrash'
  | 'purgeTrash'
> {
  return {
    createTrash: (folderId, trashId) => coded(() => createTrash(root, folderId, trashId)),
    trashEntry: (folderId: string, path: EntryPath, trashId: string, slot: number) =>
      coded(() => trashEntry(root, folderId, path, { trashId, slot })),
    sealTrash: (folderId, trashId) => coded(() => sealTrash(root, folderId, trashId)),
    statTrash: (folderId, trashId, slot) => coded(() => statTrash(root, folderId, { trashId, slot })),
    restoreTrash: (folderId: string, trashId: string, slot: number, path: EntryPath) =>
      coded(() => restoreTrash(root, folderId, { trashId, slot }, path)),
    listTrash: (folderId) => coded(() => listTrash(root, folderId)),
    measureTrash: (folderId: string, trashId: string, options?: WorkOptions) =>
      coded(() => measureTrash(root, folderId, trashId, options)),
    purgeTrash: (folderId: string, trashId: string, options?: PurgeOptions) =>
      coded(() => purgeTrash(root, folderId, trashId, options)),
  };
}

async function capacityOf(root: VolumeRoot): ReturnType<Volume['capacity']> {
  const found = await root.using((fd) => syscalls.statfs(pathOf(fd)));
  return {
    bytesFree: found.bavail * found.bsize,
    bytesTotal: found.blocks * found.bsize,
    inodesFree: found.ffree,
    inodesTotal: found.files,
  };
}

/**
 * Opens a directory as a volume on the fd walk (docs: storage/volume.ts is the contract); makes it, and its areas for
 * folders and archives, when they are missing. Every access goes component by component through directory handles
 * under `/proc/self/fd`, so it needs Linux with /proc. Modes of what it makes are subject to the process's umask.
 * @param root absolute path of the mounted storage
 * @param packer threads to share with others, who close them; else the volume has its own
 * @param handPool likewise
 * @param bulkhead what every call that uses a thread goes through; needed wherever there are other volumes
 * @param aloneMs how long this process walks a tree itself before walkers do
 * @throws volume_unavailable when it cannot be opened or made
 */
export async function openPosixVolume({
  name,
  root: path,
  packer,
  handPool,
  bulkhead = noBulkhead,
  aloneMs,
}: {
  readonly name: string;
  readonly root: string;
  readonly packer?: Packer;
  readonly handPool?: HandPool;
  readonly bulkhead?: Bulkhead;
  readonly aloneMs?: AloneMs;
}): Promise<PosixVolume> {
  let root: VolumeRoot | undefined;
  try {
    root = await openRoot(path, bulkhead, aloneMs, handPool);
    await makeAreas(root);
  } catch (error) {
    await root?.close();
    throw errnoOf(error) === 0 ? error : volumeUnavailable(error);
  }
  return volumeOn(root, { name, path }, packer);
}

function volumeOn(
  root: VolumeRoot,
  { name, path }: { readonly name: string; readonly path: string },
  sharedPacker?: Packer,
): PosixVolume {
  const readers = createReaderCache();
  const packer = sharedPacker ?? createPacker();
  const sorted = createSortedCache();
  const registry = createLookupRegistry(root);
  return {
    name,
    packer,
    selfTest: () => selfTest(root),
    capacity: () => coded(() => capacityOf(root)),
    mountSource: (folderId) => {
      const subpath = areaComponents(folderId, 'data').join('/');
      return { path: join(path, subpath), subpath };
    },
    ...folderOperations(root),
    ...upkeepOperations(root),
    ...stageOperations(root, registry),
    ...stagePartOperations(root),
    ...entryOperations(root, { readers, sorted, registry }),
    ...copyOperations(root),
    ...trashOperations(root),
    createArchive: (archiveId) => coded(() => createArchive(root, archiveId)),
    openArchive: (archiveId) => coded(() => openArchive(root, archiveId)),
    removeArchive: (archiveId) => coded(() => removeArchive(root, archiveId)),
    listArchives: () => listArchives(root),
    async close() {
      const packing = sharedPacker === undefined ? packer.close() : undefined;
      await Promise.all([root.crew.close(), root.reads.close(), root.hands.close(), packing]);
      readers.close();
      sorted.close();
      root.folders.close();
      await root.close();
    },
  };
}
