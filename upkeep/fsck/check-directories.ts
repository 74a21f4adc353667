import { setTimeout as delay } from 'node:timers/promises';
import { findFolderStates } from '../../db/queries/sweep.ts';
import type { BadDirectory, FolderInspection } from '../../storage/posix/inspect.ts';
import { aboutFolder, type VolumeCase } from './case.ts';
import type { FindingCode } from './findings.ts';

const codes: Readonly<Record<BadDirectory['fault'], FindingCode>> = {
  missing: 'area_missing',
  not_a_directory: 'area_blocked',
  mode: 'area_mode',
  owner: 'area_owner',
};

/** Names that calls under way make for a moment are gone by then. */
const settleMs = 250;

/** Directories are made before the row, and go after the row has said so: while it stands they must be there. */
async function isStillThere({ db }: VolumeCase, folderId: string): Promise<boolean> {
  const state = (await findFolderStates(db, [folderId])).get(folderId);
  return state === 'active' || state === 'trashed' || state === 'cloning';
}

function describe({ fault, found, wanted }: BadDirectory): string {
  if (fault === 'missing') return 'the directory is missing';
  if (fault === 'not_a_directory') return 'something else has the name of the directory';
  if (fault === 'mode') return `mode ${found}, not ${wanted}`;
  return `owned by uid ${found}, not ${wanted}`;
}

async function reportForeign(
  target: VolumeCase,
  folderId: string,
  { foreign }: FolderInspection,
): Promise<void> {
  if (foreign.length === 0) return;
  await delay(settleMs);
  const again = new Set((await target.volume.inspectFolder(folderId))?.foreign);
  const about = aboutFolder(target.volume.name, folderId);
  for (const path of foreign.filter((name) => again.has(name))) {
    await target.report(about({ code: 'foreign_name', path, detail: 'not a name of ours' }));
  }
}

/** Looks at a folder's own directories. @returns whether what lies in them can be looked at */
export async function checkDirectories(target: VolumeCase, folderId: string): Promise<boolean> {
  const { volume } = target;
  const about = aboutFolder(volume.name, folderId);
  const found = await volume.inspectFolder(folderId);
  if (found !== null && found.bad.length === 0 && found.foreign.length === 0) return true;
  if (!(await isStillThere(target, folderId))) return false;
  if (found === null) {
    const mend = async () => {
      if (!(await isStillThere(target, folderId))) return false;
      await volume.createFolder(folderId);
      return true;
    };
    await target.report({ ...about({ code: 'folder_missing', detail: 'its directory is missing' }), mend });
    return false;
  }
  for (const bad of found.bad) {
    const mend = async () => {
      await volume.mendFolder(folderId);
      return true;
    };
    const path = bad.directory === '' ? {} : { path: bad.directory };
    const finding = about({ code: codes[bad.fault], detail: describe(bad), ...path });
    await target.report(bad.fault === 'not_a_directory' ? finding : { ...finding, mend });
  }
  await reportForeign(target, folderId, found);
  return !found.bad.some(({ fault }) => fault === 'missing' || fault === 'not_a_directory');
}
