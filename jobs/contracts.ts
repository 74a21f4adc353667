import { z } from 'zod';
import type { JobKind } from '../domain/job.ts';
import { existingChoices } from '../domain/write-condition.ts';

/** Queues exist per name and volume, so that a worker only takes work for volumes it has mounted. */
export const queueNames = ['upload', 'delete', 'archive', 'quota', 'copy'] as const;

/** One of {@link queueNames}. */
export type QueueName = (typeof queueNames)[number];

/** How one kind of job is run. Times in milliseconds. */
export interface JobContract<P extends z.ZodType = z.ZodType> {
  readonly queue: QueueName;
  readonly payload: P;
  /** Runs that may fail, or die with their worker, before the job ends as failed. */
  readonly attemptsMax: number;
  /** First wait after a failure; doubles up to `backoffMsMax`. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** A run is aborted after this long and counts as failed. */
  readonly timeoutMs: number;
  /** Set for short work that somebody waits for: a shorter lease than usual, so that a lost worker is noticed sooner. */
  readonly leaseMs?: number;
  /** Set for work the service gives itself: how often one job of the kind is made per volume. */
  readonly everyMs?: number;
  /** Set for work that must be seen through: its effect is promised or half visible already. */
  readonly isUnstoppable?: true;
  /** Set for work that changes nothing on its volume: it goes on while that is read-only. */
  readonly isReading?: true;
  /** Set when a job that failed or was cancelled has given up nothing that another go would need. */
  readonly isRetriable?: true;
  /** Set for short work of which much comes at once: rows that are handed over together travel as one entry of the queue. */
  readonly isBundled?: true;
}

const empty = z.strictObject({});
const usual = { attemptsMax: 8, backoffMs: 500, backoffMsMax: 30_000 };
const minute = 60_000;
/** Heartbeats come five times as often, so that a worker has to be silent for four of them to lose such a job. */
const awaited = { leaseMs: 5_000 };

/** Every kind of job. Data, not code: dispatcher, consumer and schedules are driven by it. */
export const jobContracts = {
  /** Makes the staged files of an upload session visible and settles their usage; joins what came in pieces before. */
  'upload.commit': {
    ...usual,
    ...awaited,
    isUnstoppable: true,
    isBundled: true,
    queue: 'upload',
    payload: z.strictObject({
      uploadId: z.uuid(),
      /** Of an upload of one file: what must hold at the target when it is put in place. */
      condition: z
        .strictObject({
          ifExists: z.enum(existingChoices),
          ifMatch: z.string().optional(),
          ifNoneMatch: z.string().optional(),
          ifUnmodifiedSince: z.number().optional(),
        })
        .optional(),
    }),
    timeoutMs: 60 * minute,
  },
  /** Renames an entry inside its folder; `into` puts it below `to` when that is a directory. */
  'entry.move': {
    ...usual,
    ...awaited,
    isUnstoppable: true,
    queue: 'upload',
    payload: z.strictObject({ from: z.string(), to: z.string(), into: z.boolean() }),
    timeoutMs: 10 * minute,
  },
  /** Copies an entry into its folder, from `sourceId` or itself: staged under the job's id, then shown by one rename. */
  'entries.copy': {
    ...usual,
    queue: 'copy',
    payload: z.strictObject({
      from: z.string(),
      to: z.string(),
      into: z.boolean(),
      /** The folder that `from` is in, when that is another one. */
      sourceId: z.uuid().optional(),
    }),
    timeoutMs: 24 * 60 * minute,
  },
  /** Fills a new folder, which nobody sees until then, with what another one holds. */
  'folder.clone': {
    ...usual,
    queue: 'copy',
    payload: z.strictObject({ sourceId: z.uuid() }),
    timeoutMs: 24 * 60 * minute,
  },
  /** Frees what was moved to `trash/<job id>` and settles its usage. */
  'trash.purge': {
    ...usual,
    isUnstoppable: true,
    queue: 'delete',
    payload: z.strictObject({ trashId: z.uuid() }),
    timeoutMs: 6 * 60 * minute,
  },
  /** Frees a deleted folder with everything in it. */
  'folder.purge': {
    ...usual,
    isRetriable: true,
    isUnstoppable: true,
    queue: 'delete',
    payload: z.strictObject({}),
    timeoutMs: 24 * 60 * minute,
  },
  /** Builds a zip or tar of chosen entries in the archive area. */
  'archive.build': {
    ...usual,
    isRetriable: true,
    attemptsMax: 3,
    queue: 'archive',
    payload: z.strictObject({
      files: z.array(z.string()).min(1),
      format: z.enum(['zip', 'tar', 'tar.gz']),
      fileName: z.string(),
    }),
    timeoutMs: 6 * 60 * minute,
  },
  /** Counts the folder's tree and corrects the recorded usage. */
  'usage.measure': {
    ...usual,
    isReading: true,
    isRetriable: true,
    queue: 'quota',
    payload: z.strictObject({}),
    timeoutMs: 6 * 60 * minute,
  },
  /** Aborts upload sessions whose API process is gone. */
  'uploads.expire': {
    ...usual,
    queue: 'upload',
    payload: empty,
    timeoutMs: 5 * minute,
    everyMs: minute,
  },
  /** Ends folders in the trash whose time is over, and has them purged. */
  'trash.expire': {
    ...usual,
    isReading: true,
    queue: 'delete',
    payload: empty,
    timeoutMs: 5 * minute,
    everyMs: 10 * minute,
  },
  /** Removes archives past their expiry, job history past its age, and what requests left behind. */
  'archives.expire': {
    ...usual,
    queue: 'archive',
    payload: empty,
    timeoutMs: 30 * minute,
    everyMs: 10 * minute,
  },
  /** Removes staged files, trash and folder directories that no row owns. */
  'storage.sweep': {
    ...usual,
    queue: 'delete',
    payload: empty,
    timeoutMs: 6 * 60 * minute,
    everyMs: 60 * minute,
  },
  /** Asks for the measurements that are due. */
  'usage.schedule': {
    ...usual,
    isReading: true,
    queue: 'quota',
    payload: empty,
    timeoutMs: 5 * minute,
    everyMs: 5 * minute,
  },
} as const satisfies Record<JobKind, JobContract>;

/** The payload that jobs of kind `K` carry. */
export type JobPayload<K extends JobKind> = z.infer<(typeof jobContracts)[K]['payload']>;
