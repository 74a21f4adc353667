import { eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { workers } from '../schema/workers.ts';
import { inMs } from './jobs.ts';

/** What a worker process tells about itself. */
export interface WorkerBeat {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
  readonly volumes: readonly string[];
  /** By kind of work. */
  readonly concurrency: Readonly<Record<string, number>>;
  /** What it runs at the moment. */
  readonly jobIds: readonly string[];
  readonly takesJobs: boolean;
  /** What it last knew of {@link WorkerRecord.isDraining}, for the case that its row was swept. */
  readonly isDraining: boolean;
  /** How long it has been up. */
  readonly upMs: number;
}

/** A worker process as operators see it. */
export interface WorkerRecord extends Omit<WorkerBeat, 'upMs'> {
  readonly startedAt: Date;
  readonly beatAt: Date;
  /** Since its last beat, on the database clock. */
  readonly silentMs: number;
}

const columns = {
  id: workers.id,
  host: workers.host,
  pid: workers.pid,
  version: workers.version,
  queues: workers.queues,
  volumes: workers.volumes,
  concurrency: workers.concurrency,
  jobIds: workers.jobIds,
  takesJobs: workers.takesJobs,
  isDraining: workers.isDraining,
  startedAt: workers.startedAt,
  beatAt: workers.beatAt,
  silentMs: sql<number>`(extract(epoch FROM now() - beat_at) * 1000)::float8`,
};

/** Notes that a worker is up, and makes its row when there is none. @returns whether it is asked to take no more work */
export async function beatWorker(db: Executor, beat: WorkerBeat): Promise<boolean> {
  const { upMs, queues, volumes, jobIds, takesJobs, ...facts } = beat;
  const state = { jobIds: [...jobIds], takesJobs };
  const rows = await db
    .insert(workers)
    .values({ ...facts, ...state, queues: [...queues], volumes: [...volumes], startedAt: inMs(-upMs) })
    .onConflictDoUpdate({ target: workers.id, set: { ...state, beatAt: sql`now()` } })
    .returning({ isDraining: workers.isDraining });
  return rows[0]?.isDraining ?? false;
}

/** Removes the row of a worker that ends. */
export async function deleteWorker(db: Executor, id: string): Promise<void> {
  await db.delete(workers).where(eq(workers.id, id));
}

/** Removes the rows of workers that were silent for longer than `silentMs`; uses `workers_beat_idx`. @returns their ids */
export async function deleteSilentWorkers(db: Executor, silentMs: number): Promise<string[]> {
  const rows = await db
    .delete(workers)
    .where(sql`beat_at < ${inMs(-silentMs)}`)
    .returning({ id: workers.id });
  return rows.map(({ id }) => id);
}

/** The workers that gave a sign in the last `silentMs`, in the order of their starts. */
export async function listWorkers(db: Executor, silentMs: number): Promise<WorkerRecord[]> {
  return await db
    .select(columns)
    .from(workers)
    .where(sql`beat_at >= ${inMs(-silentMs)}`)
    .orderBy(workers.startedAt, workers.id);
}

/** A worker whose row is locked until the transaction ends. @returns `null` without one */
export async function lockWorker(tx: Executor, id: string): Promise<WorkerRecord | null> {
  const rows = await tx.select(columns).from(workers).where(eq(workers.id, id)).for('update');
  return rows[0] ?? null;
}

/** Asks a worker to take no more work, or to take some again; it hears of it with its next beat. @returns `null` without one */
export async function updateWorkerDrain(
  db: Executor,
  worker: { readonly id: string; readonly isDraining: boolean },
): Promise<WorkerRecord | null> {
  const rows = await db
    .update(workers)
    .set({ isDraining: worker.isDraining })
    .where(eq(workers.id, worker.id))
    .returning(columns);
  return rows[0] ?? null;
}
