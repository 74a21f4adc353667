import type { Readable, Writable } from 'node:stream';
import type { EntryPath } from '../domain/entry-path.ts';
import type { Usage } from '../domain/quota.ts';
import type { Packer } from './archive/packer.ts';

/** What an entry is. Only files and directories are ever opened; the rest is listed and deleted, never followed. */
export type EntryKind = 'file' | 'directory' | 'symlink' | 'other';

/** What the file system says of one entry. Times are float seconds since 1970. */
export interface EntryStat {
  readonly kind: EntryKind;
  readonly sizeBytes: number;
  /** Permission bits and type as in `st_mode`. */
  readonly mode: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly atime: number;
  /** `<ino>-<size>-<mtime in ns>`; changes whenever the content was replaced. Base of a strong ETag. */
  readonly version: string;
  /** Inode number, as text because it may exceed 2^53. */
  readonly inode: string;
  /** Stays the same for as long as it is the same entry, whatever its content or name; not kept after it is gone. */
  readonly identity: string;
  /** How many names the inode has; above 1 the bytes are not freed by removing one. */
  readonly links: number;
}

/** One row of a directory listing. `name` is one component; names that are not UTF-8 have `isAddressable` false. */
export interface ListedEntry extends EntryStat {
  readonly name: string;
  readonly isAddressable: boolean;
}

/** How to page a listing. `cursor` is opaque and comes from the page before; `limit` is 1–1,000. */
export interface ListOptions {
  readonly limit: number;
  readonly cursor?: string;
}

/** What a listing can be ordered by; a leading `-` turns the order around. */
export const sortOrders = ['name', '-name', 'size', '-size', 'mtime', '-mtime'] as const;

/** One of {@link sortOrders}. */
export type SortOrder = (typeof sortOrders)[number];

/** Most entries of a directory that is listed in an order. */
export const sortedEntriesMax = 100_000;

/** As {@link ListOptions}, in an order. */
export interface SortedListOptions extends ListOptions {
  readonly order: SortOrder;
}

/** One page; `nextCursor` is `null` on the last one. */
export interface ListPage {
  readonly entries: readonly ListedEntry[];
  readonly nextCursor: string | null;
}

/** What finished staging says about the bytes: all of them, synced to disk. */
export interface StagedContent {
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Unsigned 32 bit, as in zip. */
  readonly crc32: number;
  readonly inode: string;
  /** As in {@link EntryStat}; a rename keeps it. */
  readonly version: string;
}

/** Takes the bytes of one upload. Not for concurrent use. Every writer ends with `finish` or `close`. */
export interface StageWriter {
  /** Bytes accepted so far. */
  readonly sizeBytes: number;
  /**
   * Accepts bytes; they may be gathered and written later, in order. Resolves when more may be written. `onWritten` is called with the
   * chunk once nothing here looks at its memory any more; never for one that was not written, which the system may still read.
   * @throws volume_full on ENOSPC or EDQUOT; volume_unavailable on other write errors. After a throw only `close` is allowed.
   */
  write(chunk: Uint8Array, onWritten?: (chunk: Uint8Array) => void): Promise<void>;
  /** Writes what is gathered; then the memory of every chunk accepted before the call may be used again. @throws as `write` */
  flush(): Promise<void>;
  /** Writes what is gathered, syncs the file once (never retried) and closes it. @throws as `write` */
  finish(): Promise<StagedContent>;
  /** Closes without finishing; the staged file stays for `discardStage`. Idempotent; a no-op after `finish`. */
  close(): Promise<void>;
}

/** A position in a staged file. */
export interface StagePlace {
  readonly stageId: string;
  readonly positionBytes: number;
}

/** Goes on with a staged file that is written by several writers, one after another. Not for concurrent use. */
export interface StageAppender {
  /** Size of the file once all that was accepted is written. */
  readonly sizeBytes: number;
  /** As `StageWriter.write`. */
  write(chunk: Uint8Array, onWritten?: (chunk: Uint8Array) => void): Promise<void>;
  /**
   * Writes what is gathered and syncs the file; then everything accepted before the call is durable. More may be written
   * meanwhile. Never retried: after a throw only `close` is allowed. @throws as `write`
   */
  sync(): Promise<Pick<StagedContent, 'inode' | 'version'>>;
  /** Closes; what was not synced may be lost. Idempotent. */
  close(): Promise<void>;
}

/** An open regular file. Content stays readable when the entry is replaced or deleted meanwhile. */
export interface OpenFile {
  readonly stat: EntryStat;
  /** A stream over `[start, end]` inclusive, both optional. Closing the stream does not close the file. */
  stream(range?: { readonly start?: number; readonly end?: number }): Readable;
  /**
   * Fills `target` from `positionBytes` on; several may run at once. When it throws, `target` may still be written to later.
   * @returns the bytes read, fewer only where the file ends
   * @throws volume_unavailable
   */
  read(target: Uint8Array, positionBytes: number): Promise<number>;
  /** All of it, of a small file that is in memory already; shorter than `stat` says when the file was cut meanwhile. */
  readonly content?: Uint8Array | undefined;
  /** Idempotent. Must be called once the last stream has ended. */
  close(): Promise<void>;
}

/** An open file whose descriptor threads may use. */
export interface LendableFile extends OpenFile {
  /** Lends the descriptor to a thread of this process until the promise settles. The number must not be kept. */
  lend<T>(use: (fd: number) => Promise<T>): Promise<T>;
}

/** Where a thread of this process finds a file: one name in an open directory, and the only inode that is meant. */
export interface LentName {
  /** Descriptor of the directory; must not be kept. */
  readonly directory: number;
  readonly name: Buffer;
  readonly inode: bigint;
  /** `st_dev` of the volume; a file on another device is none of it. */
  readonly device: bigint;
}

/** One entry met by `walk`; `open` refuses anything but a regular file. `path` is relative to the folder's root. */
export interface WalkedEntry {
  readonly path: readonly string[];
  readonly stat: EntryStat;
  /** Opens exactly the inode that was walked, by directory handle. @throws entry_not_found, entry_not_regular */
  open(): Promise<LendableFile>;
  /** Lends where the entry lies until the promise settles, for many small files at little cost. @throws entry_not_found */
  lend<T>(use: (lent: LentName) => Promise<T>): Promise<T>;
  /** The same for entries that a walk met in one directory in a row. */
  readonly within: object;
  /** What `lend` would tell, for as long as `neighbour` is lent, which is of an entry with the same `within`. */
  beside(neighbour: LentName): LentName;
}

/** An entry that a walk could not hand out, and why (`symlink`, `other`, `name_not_utf8`, `unreadable`, `too_deep`). */
export interface SkippedEntry {
  readonly path: string;
  readonly reason: string;
}

/** Bounds and hooks of long work. `onProgress` gets totals so far and is called a few times a second at most. */
export interface WorkOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: { readonly entries: number; readonly bytes: number }) => void;
}

/**
 * Where a copy of walked entries goes: into the `data` of a folder that nobody sees yet, under the paths they were met
 * under, or to a staged tree of its own, where `start`, the path that was walked, becomes the staged name itself.
 */
export type CopyTarget =
  | { readonly area: 'data' }
  | { readonly area: 'stage'; readonly stageId: string; readonly start: EntryPath };

/** What keeps count of directories that are made. */
export interface DirectoryRoom {
  /** Asked before the first is made, with how many are missing then; what it throws makes none. */
  admit(missing: number): Promise<void>;
  /** Told of each that was made: others may make some of the missing ones meanwhile. */
  onMade(): void;
}

/** Bounds and hooks of a copy. */
export interface CopyOptions extends WorkOptions {
  /** Asked before each file and directory for the room it takes; what it throws ends the copy. */
  readonly admit: (entry: TreeUsage) => Promise<void>;
  readonly onSkip: (entry: SkippedEntry) => void;
}

/** Usage of a tree, and the directories below its root. */
export interface TreeUsage extends Usage {
  readonly directories: number;
}

/** Bounds and hooks of a purge. `onProgress` gets the entries removed so far, a few times a second at most. */
export interface PurgeOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: { readonly entries: number }) => void;
}

/** What a purge removed: names of any kind, and how many of them were directories. Sizes are not looked at. */
export interface PurgedTree {
  readonly entries: number;
  readonly directories: number;
}

/** Something of ours on disk, with its age, for the sweepers. */
export interface StoredName {
  readonly id: string;
  readonly modifiedAt: Date;
}

/** Where the content of a folder lies, for whoever mounts it: an absolute path on this machine, and one from the volume's root. */
export interface MountSource {
  readonly path: string;
  readonly subpath: string;
}

/** What a run has looked up in one folder; see {@link Volume.openLookups}. */
export interface FolderLookups {
  readonly folderId: string;
  /** How many directories calls that took it have made. */
  directoriesMade(): number;
  /** Closes what it holds, once nobody uses it. */
  close(): void;
}

/**
 * One storage root. Every function takes a folder id (uuid) and components, never a path string, and never leaves
 * `<folder>/{data,stage,trash}` whatever a hostile writer inside `data` does meanwhile: symlinks are not followed,
 * fifos, sockets and devices are never opened. All are safe to call concurrently and from several processes.
 *
 * Common errors: `entry_not_found` (the folder or a component is missing), `entry_conflict` (a component that has to
 * be a directory is something else, or the target cannot be replaced), `volume_full` (ENOSPC, EDQUOT),
 * `volume_unavailable` (EIO, ESTALE and the like).
 */
export interface Volume {
  readonly name: string;
  /** The threads that read and deflate for archives of this volume. */
  readonly packer: Packer;

  /** Proves that the walk is safe here and that rename works from stage and trash to data. @throws volume_unavailable */
  selfTest(): Promise<void>;
  /** Bytes and inodes, free and in total. */
  capacity(): Promise<{ bytesFree: number; bytesTotal: number; inodesFree: number; inodesTotal: number }>;

  /** Where the content of a folder is mounted from, whether it is there or not. */
  mountSource(folderId: string): MountSource;
  /** Makes the folder's directories, durably. Calling it again is a no-op. */
  createFolder(folderId: string): Promise<void>;
  /** Ids of every folder directory on the volume, in batches, for the sweeper. */
  listFolders(): AsyncIterable<readonly StoredName[]>;
  /**
   * Removes everything of a folder, itself included. May be called again after a crash; ENOENT counts as done.
   * @returns what was removed by this call
   */
  purgeFolder(folderId: string, options?: PurgeOptions): Promise<PurgedTree>;

  /**
   * Takes a folder's directories, whole and by one rename, to where those lie that belong to nobody, with `note`. Durable;
   * may be called again after a crash. @returns whether there was something to take
   */
  setFolderAside(folderId: string, note: string): Promise<boolean>;
  /** Ids of the folders that were set aside. */
  listAside(): AsyncIterable<readonly StoredName[]>;
  /** What lies under that id, its note included. @throws entry_not_found */
  measureAside(folderId: string, options?: WorkOptions): Promise<TreeUsage>;
  /** Removes what was set aside. Resumable; missing is fine. */
  purgeAside(folderId: string, options?: PurgeOptions): Promise<PurgedTree>;

  /**
   * Begins to keep what a run looks up in a folder, for calls that take it: what many files share, such as the directories above
   * them, is then looked for once. A directory stays the one that was found, even when a container renames it meanwhile.
   */
  openLookups(folderId: string): Promise<FolderLookups>;

  /** Creates an empty staged file; `stageId` (uuid) is never used twice. */
  createStage(folderId: string, stageId: string, lookups?: FolderLookups): Promise<StageWriter>;
  /**
   * Opens a staged file to go on at `positionBytes`; what lies beyond is cut off. At 0 the file is made when it is
   * missing, with a durable name. Who may write is for the caller to know: two appenders of one file would mix.
   * @throws entry_not_found; volume_unavailable when the file is shorter than `positionBytes`
   */
  appendStage(folderId: string, place: StagePlace): Promise<StageAppender>;
  /** Opens a staged file for reading. @throws entry_not_found */
  openStage(folderId: string, stageId: string): Promise<OpenFile>;
  /** Cuts a staged file to `positionBytes`. @throws entry_not_found; volume_unavailable when it is shorter already */
  cutStage(folderId: string, place: StagePlace): Promise<void>;
  /**
   * Copies `sizeBytes` from one staged file to any position of another, which is made when it is missing. Durable when it
   * resolves; may be repeated. @throws entry_not_found; volume_unavailable when the source is too short
   */
  copyStage(
    folderId: string,
    copy: { readonly from: StagePlace; readonly to: StagePlace; readonly sizeBytes: number },
  ): Promise<void>;
  /** Makes the names of finished staged files durable, for whoever promises a commit before it has happened. */
  syncStage(folderId: string): Promise<void>;
  /** Removes a staged file. Missing is fine. */
  discardStage(folderId: string, stageId: string): Promise<void>;
  /** Size and inode of a staged file, or `null` when it is not (or no longer) there. */
  statStage(folderId: string, stageId: string, lookups?: FolderLookups): Promise<EntryStat | null>;
  /** Staged files of a folder. */
  listStages(folderId: string): Promise<readonly StoredName[]>;
  /**
   * Makes a staged file visible at `path` in one step; parents are made; readers see the old entry or the new one.
   * Durable when it resolves (directories synced). Calling it again after success answers `stage_missing`. Commits by the same
   * `lookups` share syncs; when one of a directory fails, all later ones there fail.
   * @throws entry_conflict when the target exists and is not a regular file, or a parent is not a directory
   */
  commitStage(
    folderId: string,
    stageId: string,
    path: EntryPath,
    lookups?: FolderLookups,
  ): Promise<'committed' | 'stage_missing'>;

  /** `null` when nothing is there. Does not follow a final symlink. @throws entry_conflict never; a bad parent is `null` */
  stat(folderId: string, path: EntryPath, lookups?: FolderLookups): Promise<EntryStat | null>;
  /** One page of a directory, in directory order. @throws entry_not_found, entry_conflict (not a directory) */
  list(folderId: string, path: EntryPath, options: ListOptions): Promise<ListPage>;
  /**
   * One page of a directory in an order: by value, then by name in byte order. Entries that do not change are handed
   * out exactly once over all pages; what is added meanwhile may be missed.
   * @throws as `list`; request_malformed for more than {@link sortedEntriesMax} entries, or a cursor of another order
   */
  listSorted(folderId: string, path: EntryPath, options: SortedListOptions): Promise<ListPage>;
  /** Opens a regular file for reading. @throws entry_not_found, entry_not_regular */
  open(folderId: string, path: EntryPath): Promise<OpenFile>;
  /**
   * Walks `path` (a file or a directory) depth first, directories before their content, names in byte order.
   * Memory does not grow with the tree beyond one directory page per level. Entries it cannot hand out go to `onSkip`.
   */
  walk(
    folderId: string,
    path: EntryPath,
    options: { readonly signal?: AbortSignal; readonly onSkip?: (entry: SkippedEntry) => void },
  ): AsyncIterable<WalkedEntry>;
  /**
   * Makes a directory, durably; answers what it found.
   * @throws entry_conflict when a non-directory is in the way, or it exists and `existOk` is false; entry_not_found when a
   *   parent is missing and `parents` is false
   */
  makeDirectory(
    folderId: string,
    path: EntryPath,
    options: { readonly parents: boolean; readonly existOk: boolean; readonly room?: DirectoryRoom },
  ): Promise<'created' | 'existed'>;
  /**
   * Renames inside the folder, durably, never replacing anything. The directory that shall hold `to` must exist.
   * @throws entry_not_found, entry_conflict
   */
  move(folderId: string, from: EntryPath, to: EntryPath): Promise<void>;
  /**
   * As `move`, for the entry that had `inode` when `to` was free: an earlier call may have died at any point, and what
   * it left half done is finished. Calling it again after success is a no-op.
   */
  resumeMove(folderId: string, from: EntryPath, to: EntryPath, inode: string): Promise<void>;

  /**
   * Copies what a walk of this or another volume meets, each file with its permission bits and time of change, never
   * more bytes than were admitted. Durable when it resolves. A second call continues where a dead one stopped: files of
   * the same size and time are kept. An inode with several names becomes several files.
   * @returns what lies at the target then
   */
  copyTree(
    folderId: string,
    target: CopyTarget,
    entries: AsyncIterable<WalkedEntry>,
    options: CopyOptions,
  ): Promise<TreeUsage>;
  /**
   * Makes a staged tree visible at `path` in one step, durably, never replacing anything. `inode` is the staged one's: an
   * earlier call may have died at any point, and calling it again after success is a no-op.
   * @throws entry_not_found (the directory that shall hold it, or the tree), entry_conflict
   */
  publishTree(folderId: string, stageId: string, path: EntryPath, inode: string): Promise<void>;
  /** Removes a staged file or tree. Resumable; missing is fine. */
  discardTree(folderId: string, stageId: string, options?: PurgeOptions): Promise<void>;

  /** Makes the trash directory `trashId` (uuid, of one delete only). One that exists is fine. */
  createTrash(folderId: string, trashId: string): Promise<void>;
  /**
   * Takes an entry out of `data` by one rename to `trash/<trashId>/<slot>`, durably, whatever its kind or size.
   * @throws entry_not_found (also when the trash directory is gone, so that a late caller cannot revive it)
   */
  trashEntry(folderId: string, path: EntryPath, trashId: string, slot: number): Promise<EntryStat>;
  /**
   * Fences off whoever took entries for `trashId` so far: `trashEntry` calls that began before can put nothing more into
   * it and fail with `entry_not_found`. What lies there stays, in its slots. Missing is fine. Resumable.
   */
  sealTrash(folderId: string, trashId: string): Promise<void>;
  /** What lies in a slot, or `null`. */
  statTrash(folderId: string, trashId: string, slot: number): Promise<EntryStat | null>;
  /** Puts one slot back where it came from, if that name is still free there. @returns whether it did */
  restoreTrash(folderId: string, trashId: string, slot: number, path: EntryPath): Promise<boolean>;
  /** Trash directories of a folder. */
  listTrash(folderId: string): Promise<readonly StoredName[]>;
  /** Usage that purging would free: an inode counts when all of its names lie inside. Missing trash is zero. */
  measureTrash(folderId: string, trashId: string, options?: WorkOptions): Promise<TreeUsage>;
  /** Removes `trash/<trashId>`. Resumable, tolerates new entries appearing meanwhile, any depth and width. Missing is fine. */
  purgeTrash(folderId: string, trashId: string, options?: PurgeOptions): Promise<PurgedTree>;

  /** Bytes and regular files of `data`; an inode with several names counts once. */
  measure(folderId: string, options?: WorkOptions): Promise<TreeUsage>;

  /**
   * A file of the archive area to write to, outside every folder; `finish` syncs and publishes it under its id. After `flush`
   * the sink keeps nothing that it has called back for.
   */
  createArchive(archiveId: string): Promise<{
    sink: Writable;
    flush(): Promise<void>;
    finish(): Promise<StagedContent>;
    abort(): Promise<void>;
  }>;
  /** Opens a published archive. @throws entry_not_found */
  openArchive(archiveId: string): Promise<OpenFile>;
  /** Missing is fine; partial ones are removed too. */
  removeArchive(archiveId: string): Promise<void>;
  /** Archives on the volume, published or partial. */
  listArchives(): AsyncIterable<readonly StoredName[]>;
}

/** What reading the entries of folders takes of a volume. */
export type ReadableVolume = Pick<Volume, 'packer' | 'stat' | 'list' | 'listSorted' | 'open' | 'walk'>;
