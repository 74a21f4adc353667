import { sql } from 'drizzle-orm';
import type { JobKind } from '../../domain/job.ts';
import type { Executor } from '../client.ts';
import type { FolderState } from '../schema/folders.ts';
import type { QueueJobState } from './queue-jobs.ts';

/** How many jobs of a kind are in one state on one volume; of those that wait, how long the oldest has. */
export interface JobTotal extends Record<string, unknown> {
  readonly volume: string;
  readonly kind: JobKind;
  readonly state: Exclude<QueueJobState, 'completed'>;
  readonly jobs: number;
  readonly oldestSeconds: number | null;
}

/**
 * Counts the jobs that are open and those that failed, exactly: urgent ones and those that were asked for in bulk alike.
 * Reads no row that ended well. Indexes `jobs_due_idx`, `jobs_failed_idx`; the caller's statement timeout is the bound.
 */
export async function countJobTotals(db: Executor): Promise<JobTotal[]> {
  return await db.execute<JobTotal>(sql`
    SELECT volume, kind,
      CASE WHEN state = 'running' THEN 'active' WHEN attempt > 0 THEN 'delayed' ELSE 'waiting' END AS state,
      count(*)::int AS jobs,
      greatest(0, extract(epoch FROM now() - min(created_at)))::double precision AS "oldestSeconds"
    FROM jobs WHERE state IN ('queued', 'running') GROUP BY 1, 2, 3
    UNION ALL
    SELECT volume, kind, 'failed', count(*)::int, NULL
    FROM jobs WHERE state IN ('failed', 'cancelled') AND state = 'failed' GROUP BY 1, 2`);
}

/** The states of an upload session that has not ended. */
export const openUploadStates = ['receiving', 'staged', 'aborting'] as const;

/** One of {@link openUploadStates}. */
export type OpenUploadState = (typeof openUploadStates)[number];

/** The folders of one volume in one state, with the sums of their counters in bytes. */
export interface FolderTotal extends Record<string, unknown> {
  readonly volume: string;
  readonly state: FolderState;
  readonly folders: number;
  readonly usedBytes: number;
  readonly trashBytes: number;
  readonly reservedBytes: number;
  readonly driftBytes: number;
}

/** Adds up the folders that hold anything. One pass over them; the caller's statement timeout is the bound. */
export async function sumFolderTotals(db: Executor): Promise<FolderTotal[]> {
  return await db.execute<FolderTotal>(sql`
    SELECT volume, state, count(*)::int AS folders,
      sum(used_bytes)::double precision AS "usedBytes", sum(trash_bytes)::double precision AS "trashBytes",
      sum(reserved_bytes)::double precision AS "reservedBytes",
      sum(usage_drift_bytes)::double precision AS "driftBytes"
    FROM folders WHERE state <> 'purged' GROUP BY volume, state`);
}

/** Upload sessions that hold a reservation, by state: bytes still come, a commit is to run, or they are being given up. */
export async function countOpenUploads(
  db: Executor,
): Promise<{ readonly state: OpenUploadState; readonly sessions: number }[]> {
  return await db.execute<{ state: OpenUploadState; sessions: number }>(sql`
    SELECT state, count(*)::int AS sessions FROM uploads
    WHERE state IN ('receiving', 'staged', 'aborting') GROUP BY state`);
}

/** Connections of one program to this database in one state of `pg_stat_activity`. */
export interface ConnectionTotal extends Record<string, unknown> {
  readonly program: string;
  readonly state: string;
  readonly connections: number;
}

/** Counts the connections that programs of the service hold to this database. */
export async function countConnections(db: Executor): Promise<ConnectionTotal[]> {
  return await db.execute<ConnectionTotal>(sql`
    SELECT application_name AS program, coalesce(state, 'unknown') AS state, count(*)::int AS connections
    FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, 'vfolder')
    GROUP BY 1, 2`);
}
