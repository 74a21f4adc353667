import { setTimeout as delay } from 'node:timers/promises';
import { settleMeasure, startMeasure } from '../db/queries/usage.ts';
import { domainError } from '../domain/errors.ts';
import type { Usage } from '../domain/quota.ts';
import { type JobContext, JobDeferredError, type JobHandler, type JobOutcome } from '../jobs/handler.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** Walks in one run before the job is handed back; a folder under steady change is counted when it rests. */
const triesMax = 3;
const busyPollMs = 50;
const busyPollsMax = 40;
const deferMs = 5_000;

type Context = JobContext<'usage.measure'>;

async function startAtRest(services: WorkerServices, context: Context, folderId: string) {
  for (let poll = 0; poll < busyPollsMax; poll += 1) {
    const start = await startMeasure(services.db, folderId);
    if (start === 'gone') throw domainError('not_found', 'The folder is gone.');
    if (start !== 'busy') return start;
    await delay(busyPollMs, undefined, { signal: context.signal });
  }
  throw new JobDeferredError(deferMs, 'Jobs keep changing the folder.');
}

function outcomeOf(before: Usage, after: Usage): JobOutcome {
  return {
    result: {
      before,
      after,
      drift: { bytes: after.bytes - before.bytes, files: after.files - before.files },
    },
  };
}

/**
 * Counts a folder's tree and corrects the recorded usage. Optimistic: the count is written only if no change was
 * claimed or settled since the walk began, so it can never undo the accounting of an upload or delete beside it.
 */
export function measureUsage(services: WorkerServices): JobHandler<'usage.measure'> {
  return {
    run: async (context) => {
      const folderId = folderIdOf(context.job);
      const volume = volumeOf(services, context.job.volume);
      for (let attempt = 0; attempt < triesMax; attempt += 1) {
        const { mutationSeq, before } = await startAtRest(services, context, folderId);
        const tree = await volume.measure(folderId, {
          signal: context.signal,
          onProgress: (done) =>
            context.report({ ...done, of: { entries: before.files, bytes: before.bytes } }),
        });
        const usage = { bytes: tree.bytes, files: tree.files };
        const isWritten = await context.fenced((tx) => settleMeasure(tx, { folderId, mutationSeq, usage }));
        if (isWritten) return outcomeOf(before, usage);
      }
      throw new JobDeferredError(deferMs, 'The folder changed during every walk.');
    },
  };
}
