import { setTimeout } from 'node:timers/promises';
import { upsertArchive } from '../db/queries/archives.ts';
import { findMemberFolder } from '../db/queries/members.ts';
import { type EntryPath, parseEntryPath } from '../domain/entry-path.ts';
import { domainError } from '../domain/errors.ts';
import type { JobProgress } from '../domain/job.ts';
import type { JobContext, JobHandler, JobOutcome } from '../jobs/handler.ts';
import type { ArchiveSummary } from '../storage/archive/archive-order.ts';
import { measureSelection, selectEntries } from '../storage/archive/select-entries.ts';
import { writeArchive } from '../storage/archive/write-archive.ts';
import type { StagedContent, Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** How long a finished archive can be downloaded. */
const archiveHours = 24;
/** A build that is done by then needs no total to compare its progress with. */
const measureAfterMs = 1_000;

type Context = JobContext<'archive.build'>;

/** Whoever asked must still be allowed to read: the job may have waited for hours. @throws not_found */
async function requireReader(services: WorkerServices, { job }: Context): Promise<string> {
  const folderId = folderIdOf(job);
  const userId = job.actorId;
  const folder =
    userId === null
      ? null
      : await findMemberFolder(services.db, { userId, folderId, name: '', right: 'read' });
  if (userId === null || folder === null)
    throw domainError('not_found', 'The folder is gone or may not be read.');
  return userId;
}

/** What the build will meet, by a walk of its own beside it; `total` is `null` until that has ended. */
function measureBeside(context: Context, volume: Volume, paths: readonly EntryPath[]) {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  let total: JobProgress['of'] = null;
  const measure = async (): Promise<void> => {
    await setTimeout(measureAfterMs, undefined, { signal, ref: false });
    total = await measureSelection(volume, folderIdOf(context.job), { paths, signal });
  };
  // It only decorates the progress: what breaks it breaks the build, too, or does not matter.
  const measured = measure().catch(() => undefined);
  return {
    get total() {
      return total;
    },
    async end(): Promise<void> {
      stop.abort();
      await measured;
    },
  };
}

/** Builds and publishes the file under the job's id; nothing of it stays when that fails. */
async function build(
  context: Context,
  volume: Volume,
  paths: readonly EntryPath[],
): Promise<{ summary: ArchiveSummary; content: StagedContent }> {
  const { job, signal } = context;
  const folderId = folderIdOf(job);
  // What an earlier run left, whole or partial, is never added to.
  await volume.removeArchive(job.id);
  const target = await volume.createArchive(job.id);
  const measure = measureBeside(context, volume, paths);
  try {
    const summary = await writeArchive({
      volume,
      folderId,
      paths,
      format: job.payload.format,
      sink: target.sink,
      flushSink: target.flush,
      signal,
      onProgress: (done) => context.report({ ...done, of: measure.total }),
    });
    signal.throwIfAborted();
    const { entries, bytes } = summary;
    context.report({ entries, bytes, of: { entries, bytes } });
    return { summary, content: await target.finish() };
  } catch (error) {
    await target.abort();
    throw error;
  } finally {
    await measure.end();
  }
}

function outcomeOf(
  context: Context,
  actorId: string,
  { summary, content }: { summary: ArchiveSummary; content: StagedContent },
): JobOutcome {
  const { job } = context;
  const { sizeBytes, sha256 } = content;
  return {
    result: {
      archive_id: job.id,
      url: `/archives/${job.id}`,
      size: sizeBytes,
      sha256,
      entries: summary.entries,
      bytes: summary.bytes,
      skipped: summary.skipped,
      skipped_count: summary.skippedCount,
    },
    settle: (tx) =>
      upsertArchive(tx, {
        id: job.id,
        folderId: folderIdOf(job),
        actorId,
        volume: job.volume,
        format: job.payload.format,
        fileName: job.payload.fileName,
        sizeBytes,
        sha256,
        expiresInHours: archiveHours,
      }),
  };
}

/**
 * Builds a zip or tar of chosen entries in the archive area of the volume. A retry starts from nothing; a cancelled or
 * failed run leaves no file. What could not be archived is named in the result and in the archive's last entry.
 */
export function buildArchive(services: WorkerServices): JobHandler<'archive.build'> {
  return {
    run: async (context) => {
      const actorId = await requireReader(services, context);
      const volume = volumeOf(services, context.job.volume);
      const paths = context.job.payload.files.map((file) => parseEntryPath(file, 'read'));
      await selectEntries(volume, folderIdOf(context.job), paths);
      return outcomeOf(
        context,
        actorId,
        await context.step('archive.write', () => build(context, volume, paths)),
      );
    },
  };
}
