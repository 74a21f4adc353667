import type { Executor } from '../../db/client.ts';
import { findJob, type JobRecord } from '../../db/queries/jobs.ts';
import { isTerminal } from '../../domain/job.ts';
import { type Consumer, openConsumer } from '../../jobs/consumer.ts';
import type { JobPayload, QueueName } from '../../jobs/contracts.ts';
import type { JobHandler, JobHandlers } from '../../jobs/handler.ts';
import type { NewJob } from '../../jobs/job-client.ts';
import type { JobLogger } from '../../jobs/logger.ts';
import { type OpenJobClient, openJobClient } from '../../jobs/open-job-client.ts';
import type { JobTimings } from '../../jobs/timings.ts';
import type { Backend } from '../support/backends.ts';
import { openSql } from '../support/clone-database.ts';
import { eventually } from '../support/eventually.ts';

/** Leases and repetitions short enough for tests. */
export const quickTimings: Partial<JobTimings> = {
  leaseMs: 1_500,
  heartbeatMs: 300,
  reconcileMs: 100,
  graceMs: 300,
  redispatchMs: 300,
  redispatchMaxMs: 2_000,
  addTimeoutMs: 2_000,
  stopMs: 500,
};

/** As the service's, but with leases that end within a test: short repetitions would only add load. */
export const chaosTimings: Partial<JobTimings> = {
  leaseMs: 3_000,
  heartbeatMs: 1_000,
  reconcileMs: 300,
  graceMs: 1_000,
  redispatchMs: 1_500,
  redispatchMaxMs: 6_000,
};

/** What was logged, by event. */
export interface LogBook extends JobLogger {
  readonly events: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
}

export function makeLogBook(): LogBook {
  const events: LogBook['events'] = [];
  const note = (fields: Readonly<Record<string, unknown>>, event: string) =>
    void events.push({ event, fields });
  return { events, info: note, warn: note, error: note };
}

const idle: JobHandler = { run: async () => ({ result: null }) };

/** Handlers that do nothing, but for those given. */
export function handlersWith(given: Partial<JobHandlers>): JobHandlers {
  return {
    'upload.commit': idle,
    'entry.move': idle,
    'entries.copy': idle,
    'folder.clone': idle,
    'trash.purge': idle,
    'folder.purge': idle,
    'archive.build': idle,
    'usage.measure': idle,
    'uploads.expire': idle,
    'archives.expire': idle,
    'trash.expire': idle,
    'storage.sweep': idle,
    'usage.schedule': idle,
    ...given,
  };
}

/** Opens clients and consumers on a backend and closes them all; one per test. */
export function makeStage(backend: Backend, timings: Partial<JobTimings> = quickTimings) {
  const log = makeLogBook();
  const clients: OpenJobClient[] = [];
  const consumers: Consumer[] = [];
  const common = () => ({
    db: backend.database.db,
    databaseUrl: backend.database.url,
    redisUrl: backend.redisUrl,
    logger: log,
  });
  const openClient = async (volumes: readonly string[] = []) => {
    const client = await openJobClient({ ...common(), volumes, timings });
    clients.push(client);
    return client;
  };
  return {
    log,
    openClient,
    openConsumer: async (
      client: OpenJobClient,
      given: Partial<JobHandlers>,
      options: { queues?: readonly QueueName[]; concurrency?: Partial<Record<QueueName, number>> } = {},
    ) => {
      const consumer = await openConsumer({
        ...common(),
        client,
        handlers: handlersWith(given),
        volumes: ['local'],
        ...options,
      });
      consumers.push(consumer);
      return consumer;
    },
    /** Enqueues and dispatches as an operation does. */
    submit: async (client: OpenJobClient, job: Partial<NewJob> = {}) => {
      const id = await backend.database.db.transaction((tx) => client.enqueue(tx, newJob(job)));
      client.dispatch([id]);
      return id;
    },
    find: (jobId: string) => findPresent(backend.database.db, jobId),
    ended: (jobId: string) =>
      eventually(async () => {
        const job = await findPresent(backend.database.db, jobId);
        if (!isTerminal(job.state)) throw new Error(`The job is ${job.state}.`);
        return job;
      }),
    close: async () => {
      await Promise.all(consumers.map((consumer) => consumer.close(5_000)));
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

export type Stage = ReturnType<typeof makeStage>;

/** A job without folder or owner: `usage.measure` on the volume `local` unless overridden. */
export function newJob(job: Partial<NewJob> = {}): NewJob {
  return { kind: 'usage.measure', payload: {}, volume: 'local', folderId: null, actorId: null, ...job };
}

/** A payload of a kind with three attempts. */
export const archivePayload: JobPayload<'archive.build'> = { files: ['a'], format: 'zip', fileName: 'a.zip' };

async function findPresent(db: Executor, jobId: string): Promise<JobRecord> {
  const job = await findJob(db, { jobId, actorId: null });
  if (job === null) throw new Error('The job is unknown.');
  return job;
}

/** Forgets everything the queue store holds. */
export async function emptyQueueStore(backend: Backend): Promise<void> {
  if (backend.name === 'redis') {
    await backend.redis().command('FLUSHALL');
    return;
  }
  const sql = openSql(backend.database.url);
  await sql.unsafe('TRUNCATE bullmq.job CASCADE');
  await sql.end();
}

/** Takes the queue store away and answers how to bring it back; on Redis it comes back empty. */
export async function removeQueueStore(backend: Backend): Promise<() => Promise<void>> {
  if (backend.name === 'redis') {
    await backend.redis().kill();
    return () => backend.redis().restart();
  }
  const sql = openSql(backend.database.url);
  await sql.unsafe('ALTER SCHEMA bullmq RENAME TO bullmq_away');
  return async () => {
    await sql.unsafe('ALTER SCHEMA bullmq_away RENAME TO bullmq');
    await sql.end();
  };
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
}
