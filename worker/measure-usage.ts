import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { trimFileDigests } from '../db/queries/file-digests.ts';
import {
  accountForTrash,
  type MeasuredUsage,
  type MeasureStart,
  postponeMeasure,
  settleMeasure,
  startMeasure,
} from '../db/queries/measure.ts';
import { domainError } from '../domain/errors.ts';
import type { Usage } from '../domain/quota.ts';
import { type JobContext, JobDeferredError, type JobHandler, type JobOutcome } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { countTrash, measuredUsage, type UnaccountedTrash } from './count-trash.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** The waits before the second and the third walk. A folder that changes during the third is left for another day. */
const conflictWaitsMs = [250, 2_000];
const busyPollMs = 50;
const busyPollsMax = 40;

type Context = JobContext<'usage.measure'>;

const checkpointSchema = z.object({ conflicts: z.number().int().min(0) });

function conflictsBefore({ job }: Context): number {
  const saved = checkpointSchema.safeParse(job.checkpoint);
  return saved.success ? saved.data.conflicts : 0;
}

/** Waits a while for the folder to be at rest; then starts anyway. */
async function startAtRest(
  services: WorkerServices,
  { signal }: Context,
  folderId: string,
): Promise<MeasureStart> {
  for (let poll = 0; ; poll += 1) {
    const start = await startMeasure(services.db, folderId);
    if (start === null) throw domainError('not_found', 'The folder is gone.');
    if (!start.isBusy || poll >= busyPollsMax) return start;
    await delay(busyPollMs, undefined, { signal });
  }
}

interface Walk {
  readonly start: MeasureStart;
  readonly usage: MeasuredUsage;
  readonly unaccounted: readonly UnaccountedTrash[];
}

async function walk(
  services: WorkerServices,
  context: Context,
  volume: Volume,
  start: MeasureStart,
): Promise<Walk> {
  const { signal } = context;
  const folderId = folderIdOf(context.job);
  const { live } = start.before;
  const { bytes, files, directories } = await volume.measure(folderId, {
    signal,
    onProgress: (done) => context.report({ ...done, of: { entries: live.files, bytes: live.bytes } }),
  });
  const counted = await countTrash(services.db, volume, folderId, signal);
  const usage = measuredUsage({ bytes, files, directories }, counted?.trash ?? null, start.before);
  return { start, usage, unaccounted: counted?.unaccounted ?? [] };
}

/** The measurement is void: something changed, or somebody else accounts for the trash. */
class MeasureConflict extends Error {}

/** @returns false when the folder was not at rest; nothing is written then */
async function write(context: Context, { start, usage, unaccounted }: Walk): Promise<boolean> {
  if (start.isBusy) return false;
  const folderId = folderIdOf(context.job);
  try {
    await context.fenced(async (tx) => {
      if (!(await accountForTrash(tx, unaccounted))) throw new MeasureConflict();
      const { mutationSeq } = start;
      if (!(await settleMeasure(tx, { folderId, mutationSeq, usage }))) throw new MeasureConflict();
      await trimFileDigests(tx, { folderId, files: usage.live.files });
    });
    return true;
  } catch (error) {
    if (error instanceof MeasureConflict) return false;
    throw error;
  }
}

function changeOf(before: Usage, after: Usage) {
  return { before, after, drift: { bytes: after.bytes - before.bytes, files: after.files - before.files } };
}

function resultOf({ start, usage }: Walk) {
  const { before } = start;
  const directories = {
    before: before.directories,
    after: usage.directories,
    drift: usage.directories - before.directories,
  };
  return { ...changeOf(before.live, usage.live), trash: changeOf(before.trash, usage.trash), directories };
}

/** What a folder that never stood still seems to hold; nothing is written, and the next count comes later each time. */
function approximate(found: Walk, folderId: string): JobOutcome {
  return {
    result: { ...resultOf(found), approximate: true },
    settle: (tx) => postponeMeasure(tx, folderId),
  };
}

/**
 * Counts a folder's tree and its trash, and corrects the recorded usage. Optimistic: the count is written only if no
 * change was claimed or settled since the walk began, so it can never undo the accounting of an upload or delete beside it.
 */
export function measureUsage(services: WorkerServices): JobHandler<'usage.measure'> {
  return {
    run: async (context) => {
      const folderId = folderIdOf(context.job);
      const volume = volumeOf(services, context.job.volume);
      const start = await startAtRest(services, context, folderId);
      const found = await context.step('tree.measure', () => walk(services, context, volume, start));
      if (await write(context, found)) return { result: resultOf(found) };
      const conflicts = conflictsBefore(context);
      const waitMs = conflictWaitsMs[conflicts];
      if (waitMs === undefined) return approximate(found, folderId);
      await context.fenced(async () => undefined, { conflicts: conflicts + 1 });
      throw new JobDeferredError(waitMs, 'The folder changed during the walk.');
    },
  };
}
