import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import type {
  QueueJob as BoardJob,
  QueueWorker as BoardWorker,
  JobCounts,
  JobStatus,
} from '@bull-board/api/typings/app';
import type { QueueJob, QueueJobState } from '../../db/queries/queue-jobs.ts';
import type { QueueSettingChange } from '../../db/queries/queue-settings.ts';
import type { WorkerRecord } from '../../db/queries/workers.ts';
import { domainError } from '../../domain/errors.ts';
import type { QueueAdmin, QueueInfo } from '../../jobs/queue-admin.ts';
import { concurrencyMax } from '../queue-settings/schemas.ts';
import { stateOf } from '../workers/operations.ts';

/** What the buttons of the dashboard do. */
export interface BoardButtons {
  change(queue: QueueInfo, change: QueueSettingChange): Promise<void>;
  /** Gives a job another go. */
  retry(jobId: string): Promise<unknown>;
  cancel(jobId: string): Promise<unknown>;
}

/** What the dashboard may do with a queue. */
export interface BoardAccess {
  readonly admin: QueueAdmin;
  /** Those of who looks at it; `undefined`: nobody presses any. */
  readonly buttons: BoardButtons | undefined;
  /** The worker processes of all queues. */
  readonly workers: () => Promise<WorkerRecord[]>;
  /** Show only. */
  readonly isReadOnly: boolean;
  /** What stands before the paths of the service in a browser. */
  readonly pathPrefix: string;
}

const statuses: ('latest' | QueueJobState)[] = [
  'latest',
  'active',
  'waiting',
  'delayed',
  'completed',
  'failed',
];
const jobStatuses: QueueJobState[] = ['active', 'waiting', 'delayed', 'completed', 'failed'];
const idForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function refuse(): never {
  throw new Error('The service does this by itself, or not at all.');
}

function buttonsOf({ buttons }: BoardAccess): BoardButtons {
  return buttons ?? refuse();
}

function isQueueJobState(status: JobStatus): status is QueueJobState {
  return jobStatuses.some((known) => known === status);
}

function failureOf(job: QueueJob): string {
  if (job.state === 'cancelled') return 'Cancelled';
  if (job.errorCode === null) return '';
  return `${job.errorCode}: ${job.errorDetail ?? ''}`;
}

/** What is done, and the percentage that the dashboard draws as a ring once it is known how much there is. */
function toBoardProgress({ progress }: QueueJob): object | number {
  if (progress === null) return 0;
  const { entries, bytes, of } = progress;
  if (of === null) return progress;
  const share = of.bytes > 0 ? bytes / of.bytes : entries / Math.max(of.entries, 1);
  return { progress: Math.min(Math.floor(share * 100), 100), ...progress };
}

/** A row of ours as the dashboard shows jobs. */
function toBoardJob(job: QueueJob, access: BoardAccess): BoardJob {
  return {
    opts: {},
    getState: async () => job.queueState,
    retry: async () => {
      await buttonsOf(access).retry(job.id);
    },
    remove: async () => {
      await buttonsOf(access).cancel(job.id);
    },
    promote: async () => refuse(),
    toJSON: () => ({
      id: job.id,
      name: job.kind,
      progress: toBoardProgress(job),
      attemptsMade: job.attempt,
      timestamp: job.createdAt.getTime(),
      processedOn: job.startedAt?.getTime() ?? null,
      processedBy: job.leaseOwner,
      finishedOn: job.finishedAt?.getTime() ?? null,
      failedReason: failureOf(job),
      stacktrace: null,
      data: { folder_id: job.folderId, actor_id: job.actorId, payload: job.payload },
      returnvalue: job.result,
      opts: { attempts: job.attemptsMax },
      priority: job.priority,
    }),
  };
}

function toBoardWorker(worker: WorkerRecord): BoardWorker {
  const state = stateOf(worker);
  return {
    id: worker.id,
    name: state === 'active' ? worker.host : `${worker.host} (${state})`,
    addr: `${worker.host}:${worker.pid}`,
    age: Math.floor((worker.beatAt.getTime() + worker.silentMs - worker.startedAt.getTime()) / 1_000),
  };
}

/**
 * A queue for the dashboard, read from the rows of its jobs instead of the store of queues: that holds ids of what is
 * unfinished and nothing else, and its figures leave out what a paused queue holds (on Postgres) or an emptied one lost.
 */
export class JobRowsAdapter extends BaseAdapter {
  readonly #queue: QueueInfo;
  readonly #access: BoardAccess;

  constructor(queue: QueueInfo, access: BoardAccess) {
    super('bullmq', {
      readOnlyMode: access.isReadOnly,
      allowCompletedRetries: false,
      externalJobUrl: (job) => ({ href: `${access.pathPrefix}/jobs/${job.id}`, displayText: 'Job' }),
    });
    this.#queue = queue;
    this.#access = access;
  }

  getName(): string {
    return this.#queue.name;
  }

  getStatuses() {
    return [...statuses];
  }

  getJobStatuses() {
    return [...jobStatuses];
  }

  async getJobCounts(): Promise<JobCounts> {
    return { ...(await this.#access.admin.counts(this.#queue)) };
  }

  async getJobs(wanted: JobStatus[], start = 0, end = 99): Promise<BoardJob[]> {
    const range = { offset: start, limit: Math.min(end - start + 1, 100) };
    const pages = await Promise.all(
      wanted
        .filter(isQueueJobState)
        .map((state) => this.#access.admin.jobs(this.#queue, { state, ...range })),
    );
    return pages.flat().map((job) => toBoardJob(job, this.#access));
  }

  async getJob(id: string): Promise<BoardJob | null> {
    const job = idForm.test(id) ? await this.#access.admin.job(this.#queue, id) : null;
    return job === null ? null : toBoardJob(job, this.#access);
  }

  async isPaused(): Promise<boolean> {
    return (await this.#access.admin.setting(this.#queue)).isPaused;
  }

  async pause(): Promise<void> {
    await buttonsOf(this.#access).change(this.#queue, { isPaused: true });
  }

  async resume(): Promise<void> {
    await buttonsOf(this.#access).change(this.#queue, { isPaused: false });
  }

  async getGlobalConcurrency(): Promise<number | null> {
    return (await this.#access.admin.setting(this.#queue)).concurrencyMax;
  }

  async setGlobalConcurrency(concurrency: number): Promise<void> {
    if (concurrency > concurrencyMax) {
      const detail = `A limit is an integer up to ${concurrencyMax}; 0 lifts it.`;
      throw domainError('request_malformed', detail);
    }
    await buttonsOf(this.#access).change(this.#queue, {
      concurrencyMax: concurrency < 1 ? null : concurrency,
    });
  }

  override async getWorkers(): Promise<BoardWorker[]> {
    const { work, volume } = this.#queue;
    const workers = await this.#access.workers();
    return workers
      .filter(({ queues, volumes }) => queues.includes(work) && volumes.includes(volume))
      .map(toBoardWorker);
  }

  async getJobLogs(): Promise<string[]> {
    return [];
  }

  async getMetrics() {
    return { meta: { count: 0, prevTS: 0, prevCount: 0 }, data: [], count: 0 };
  }

  async getRedisInfo(): Promise<string | null> {
    return null;
  }

  async getJobSchedulers() {
    return [];
  }

  async getJobSchedulersCount(): Promise<number> {
    return 0;
  }

  async removeJobScheduler(): Promise<boolean> {
    return refuse();
  }

  async updateJobScheduler() {
    return refuse();
  }

  async runJobSchedulerNow() {
    return refuse();
  }

  async addJob() {
    return refuse();
  }

  async clean(): Promise<void> {
    refuse();
  }

  async empty(): Promise<void> {
    refuse();
  }

  async obliterate(): Promise<void> {
    refuse();
  }

  async promoteAll(): Promise<void> {
    refuse();
  }
}
