import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { parseEntryPath } from '../domain/entry-path.ts';
import { folderComponents } from '../storage/posix/layout.ts';
import type { PosixVolume } from '../storage/posix/posix-volume.ts';
import { type BenchRow, median, toRow } from './row.ts';
import { runScript } from './tools.ts';

/** Where trees are made, and who walks them. */
export interface TreeGround {
  readonly volume: PosixVolume;
  readonly volumeRoot: string;
}

/** A folder on the volume; `data` is the path of what is in it. */
export interface TreeFolder {
  readonly folderId: string;
  readonly data: string;
}

/** Makes an empty folder. */
export async function makeFolder({ volume, volumeRoot }: TreeGround): Promise<TreeFolder> {
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  return { folderId, data: join(volumeRoot, 'f', ...folderComponents(folderId), 'data') };
}

/** @returns the milliseconds that `work` took */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Purges the tree `name` of a folder by way of its trash. @returns the milliseconds of the purge alone */
export async function purgeTree({ volume }: TreeGround, folderId: string, name: string): Promise<number> {
  const trashId = randomUUID();
  await volume.createTrash(folderId, trashId);
  await volume.trashEntry(folderId, parseEntryPath(name, 'read'), trashId, 0);
  return timed(() => volume.purgeTrash(folderId, trashId));
}

/** How often as long as the peer it took; the note has both times. */
export function ratio(own: readonly number[], theirs: readonly number[]) {
  const [ours, peer] = [median(own), median(theirs)];
  return { measured: ours / peer, unit: '×', note: `${ours.toFixed(0)} ms, ${peer.toFixed(0)} ms` };
}

const purgedSchema = z.object({ ms: z.number(), leaderMiB: z.number(), walkersMiB: z.array(z.number()) });

/** Purges a tree in a process of its own, which starts the walkers, and tells the time and its memory. */
export function purgeElsewhere(
  { volumeRoot }: TreeGround,
  folderId: string,
  name: string,
): z.infer<typeof purgedSchema> {
  const printed = runScript(new URL('./purge-memory.js', import.meta.url), [volumeRoot, folderId, name]);
  return purgedSchema.parse(JSON.parse(printed));
}

/** The row of its memory. */
export function memoryRow({ leaderMiB, walkersMiB }: z.infer<typeof purgedSchema>, label: string): BenchRow {
  const work = `memory of the process that leads the walkers, purge of ${label}`;
  const note = `its walkers ${walkersMiB.map((mib) => `${mib.toFixed(0)} MiB`).join(', ')}`;
  return toRow({ id: 'D2/rss', work, measured: leaderMiB, unit: 'MiB', note }, { atMost: 150 });
}
