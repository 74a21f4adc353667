import type { BigIntStats } from 'node:fs';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { archiveOf } from './archive-area.ts';
import { hasErrno, toStorageError } from './errno.ts';
import { openFolder, type VolumeRoot } from './folder-areas.ts';
import {
  type Directory,
  makeChild,
  openChild,
  statChild,
  statDirectory,
  syncDirectory,
  withDirectory,
} from './handles/directory.ts';
import { byteNames } from './handles/directory-sync.ts';
import { decodeName, nameFromBytes, pathOf } from './handles/entry-name.ts';
import { modes, syscalls } from './handles/syscalls.ts';
import {
  archiveComponents,
  archivesName,
  type FolderArea,
  folderComponents,
  foldersName,
  isId,
  lostName,
} from './layout.ts';
import { createTimeSlice } from './time-slice.ts';

/** A directory of ours, `''` for that of the folder itself. */
type OwnDirectory = '' | FolderArea;

/** What is wrong with a directory of ours. */
export interface BadDirectory {
  readonly directory: OwnDirectory;
  readonly fault: 'missing' | 'not_a_directory' | 'mode' | 'owner';
  /** As found, octal or a uid. */
  readonly found: string;
  /** As it should be. */
  readonly wanted: string;
}

/** A folder's directories as they are. Content is not looked at. */
export interface FolderInspection {
  readonly bad: readonly BadDirectory[];
  /** Names beside ours, at most 100, as `<area>/<name>`. */
  readonly foreign: readonly string[];
}

/** Foreign names of one folder that are told. */
const foreignMax = 100;

const areas = ['stage', 'trash', 'data'] as const;
const areaNames: ReadonlySet<string> = new Set(areas);
const permissionBits = 0o777n;
/** What others must not do: write where folders lie; anything at all in staging and trash. */
const forbiddenBits: Readonly<Record<OwnDirectory, bigint>> = {
  '': 0o022n,
  stage: 0o077n,
  trash: 0o077n,
  data: 0n,
};
const ownerBits = 0o700n;
const wantedModes: Readonly<Record<OwnDirectory, number>> = {
  '': modes.upper,
  stage: modes.closed,
  trash: modes.closed,
  data: modes.directory,
};

function octal(mode: bigint | number): string {
  return (BigInt(mode) & permissionBits).toString(8).padStart(4, '0');
}

/** Containers own what they mount: whose `data` is and with which mode is theirs to say. */
function judge(directory: OwnDirectory, stat: BigIntStats, uid: bigint): BadDirectory[] {
  if (directory === 'data') return [];
  const bad: BadDirectory[] = [];
  const isOpen = (stat.mode & forbiddenBits[directory]) !== 0n;
  const isShut = (stat.mode & ownerBits) !== ownerBits;
  if (isOpen || isShut) {
    const wanted = octal(wantedModes[directory]);
    bad.push({ directory, fault: 'mode', found: octal(stat.mode), wanted });
  }
  if (stat.uid !== uid) {
    bad.push({ directory, fault: 'owner', found: String(stat.uid), wanted: String(uid) });
  }
  return bad;
}

function shown(name: string): string {
  return decodeName(nameFromBytes(name)).text;
}

/** Foreign names in a directory of ours, `isOurs` by its own rule. */
function foreignIn(
  directory: Directory,
  isOurs: (name: string) => boolean,
  found: string[],
  prefix: string,
): void {
  for (const name of byteNames(directory)) {
    if (found.length >= foreignMax) return;
    if (!isOurs(name)) found.push(`${prefix}${shown(name)}`);
  }
}

async function inspectArea(
  folder: Directory,
  area: FolderArea,
  uid: bigint,
  foreign: string[],
): Promise<BadDirectory[]> {
  const wanted = octal(wantedModes[area]);
  const stat = await statChild(folder, area);
  if (stat === null) return [{ directory: area, fault: 'missing', found: '', wanted }];
  if (!stat.isDirectory()) return [{ directory: area, fault: 'not_a_directory', found: '', wanted }];
  const bad = judge(area, stat, uid);
  if (area !== 'data' && (stat.mode & ownerBits) === ownerBits) {
    await withDirectory(openChild(folder, area), async (directory) =>
      foreignIn(directory, isId, foreign, `${area}/`),
    );
  }
  return bad;
}

/** Whose the directories of a volume are: the owner of where its folders lie. */
async function ownerOf(root: VolumeRoot): Promise<bigint> {
  return await withDirectory(
    openChild(root, foldersName),
    async (folders) => (await statDirectory(folders)).uid,
  );
}

/** `PosixVolume.inspectFolder`. */
export async function inspectFolder(root: VolumeRoot, folderId: string): Promise<FolderInspection | null> {
  try {
    const uid = await ownerOf(root);
    return await withDirectory(openFolder(root, folderId), async (folder) => {
      const foreign: string[] = [];
      const bad = judge('', await statDirectory(folder), uid);
      for (const area of areas) bad.push(...(await inspectArea(folder, area, uid, foreign)));
      foreignIn(folder, (name) => areaNames.has(name), foreign, '');
      return { bad, foreign };
    });
  } catch (error) {
    if (isDomainError(error, 'entry_not_found') || hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function mendOne(folder: Directory, directory: OwnDirectory, uid: bigint): Promise<void> {
  const open = async () => (directory === '' ? folder.share() : await openChild(folder, directory));
  if (directory !== '') await makeChild(folder, directory, wantedModes[directory]);
  await withDirectory(open(), async (opened) => {
    const stat = await statDirectory(opened);
    const bad = judge(directory, stat, uid);
    if (bad.some(({ fault }) => fault === 'owner')) {
      await opened.using((fd) => syscalls.chown(pathOf(fd), Number(uid), Number(stat.gid)));
    }
    if (bad.some(({ fault }) => fault === 'mode')) {
      await opened.using((fd) => syscalls.chmod(pathOf(fd), wantedModes[directory]));
    }
  });
}

/** `PosixVolume.mendFolder`. By handles, so that nothing else can be meant. */
export async function mendFolder(root: VolumeRoot, folderId: string): Promise<void> {
  root.folders.drop(folderId);
  const uid = await ownerOf(root);
  try {
    await withDirectory(openFolder(root, folderId), async (folder) => {
      for (const directory of ['', ...areas] as const) await mendOne(folder, directory, uid);
      await syncDirectory(folder);
    });
  } catch (error) {
    if (!hasErrno(error, 'EPERM', 'EACCES')) throw error;
    throw domainError('volume_unavailable', 'Only root or the owner may change that.', { cause: error });
  }
}

/** Tells whether a name is one of ours at a level, given the names above it. */
type IsOurs = (name: string, above: readonly string[]) => boolean;

const shelfForm = /^[0-9a-f]{2}$/;
const isShelf: IsOurs = (name) => shelfForm.test(name);

/** A folder that lies where its id does not say is out of everybody's reach. */
function isFolderName(name: string, above: readonly string[]): boolean {
  if (!isId(name)) return false;
  const [first, second] = folderComponents(name);
  return above.at(-2) === first && above.at(-1) === second;
}

function isArchiveName(name: string, above: readonly string[]): boolean {
  const id = archiveOf(name);
  return id !== null && archiveComponents(id)[0] === above.at(-1);
}

const trees: readonly { readonly name: string; readonly levels: readonly IsOurs[] }[] = [
  { name: foldersName, levels: [isShelf, isShelf, isFolderName] },
  { name: archivesName, levels: [isShelf, isArchiveName] },
  { name: lostName, levels: [isId] },
];

async function openIfDirectory(parent: Directory, name: string): Promise<Directory | null> {
  try {
    return await openChild(parent, name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** Where a walk over our own names is, and what it may meet there and further down. */
interface Level {
  readonly path: readonly string[];
  readonly isOurs: IsOurs;
  readonly below: readonly IsOurs[];
}

async function isForeign(directory: Directory, name: string, level: Level): Promise<boolean> {
  if (!level.isOurs(name, level.path)) return true;
  if (level.below.length === 0) return false;
  return (await statChild(directory, name))?.isDirectory() === false;
}

async function* foreignAt(parent: Directory, level: Level): AsyncGenerator<string> {
  const { path, below } = level;
  const directory = await openIfDirectory(parent, path.at(-1) ?? '');
  if (directory === null) return;
  const [isOurs, ...deeper] = below;
  const slice = createTimeSlice();
  try {
    for (const name of byteNames(directory)) {
      if (slice.isOver()) await slice.rest();
      if (await isForeign(directory, name, level)) yield [...path, shown(name)].join('/');
      else if (isOurs !== undefined)
        yield* foreignAt(directory, { path: [...path, name], isOurs, below: deeper });
    }
  } finally {
    await directory.close();
  }
}

/** `PosixVolume.listForeign`. The root itself is the operator's. */
export async function* listForeign(root: VolumeRoot): AsyncGenerator<string> {
  try {
    for (const { name, levels } of trees) {
      const [isOurs, ...below] = levels;
      if (isOurs !== undefined) yield* foreignAt(root, { path: [name], isOurs, below });
    }
  } catch (error) {
    throw toStorageError(error);
  }
}
