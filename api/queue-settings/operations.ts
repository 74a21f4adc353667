import { insertAudit } from '../../db/queries/audit.ts';
import { type QueueJobState, queueCountMax } from '../../db/queries/queue-jobs.ts';
import type { QueueSetting, QueueSettingChange } from '../../db/queries/queue-settings.ts';
import type { WorkerRecord } from '../../db/queries/workers.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import type { QueueAdmin, QueueInfo } from '../../jobs/queue-admin.ts';
import { type JobChange, retryJob } from '../jobs/operations.ts';
import type { Operator } from '../operator.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';
import { readWorkers, stateOf } from '../workers/operations.ts';

/** A queue with what is set for it and how it stands. */
export interface QueueView extends QueueInfo {
  readonly setting: QueueSetting;
  /** Up to 10,000 per state. */
  readonly counts: Readonly<Record<QueueJobState, number>>;
  readonly oldestWaitingSeconds: number | null;
  /** Worker processes that take its jobs. */
  readonly workers: number;
}

function takesFrom(queue: QueueInfo) {
  return (worker: WorkerRecord) =>
    stateOf(worker) === 'active' &&
    worker.queues.includes(queue.work) &&
    worker.volumes.includes(queue.volume);
}

async function viewOf(services: Pick<Services, 'db' | 'jobs'>, queues: readonly QueueInfo[]) {
  const { admin } = services.jobs;
  const [oldest, workers] = await Promise.all([admin.oldestWaiting(), readWorkers(services)]);
  const view = async (queue: QueueInfo): Promise<QueueView> => ({
    ...queue,
    setting: await admin.setting(queue),
    counts: await admin.counts(queue),
    oldestWaitingSeconds: oldest.get(queue.name) ?? null,
    workers: workers.filter(takesFrom(queue)).length,
  });
  return await Promise.all(queues.map(view));
}

/** Every queue of the volumes of this process. */
export async function readQueues(services: Pick<Services, 'db' | 'jobs'>): Promise<QueueView[]> {
  return await viewOf(services, services.jobs.admin.queues);
}

/** Something to be set for a queue, and who wants that. */
export interface QueueChange {
  readonly operator: Operator;
  readonly change: QueueSettingChange;
}

/** Pauses, resumes or limits a queue, and notes who did, with what was set before. */
export async function changeSetting(
  services: Pick<Services, 'jobs'>,
  queue: QueueInfo,
  { operator, change }: QueueChange,
): Promise<void> {
  await services.jobs.admin.change(queue, change, (tx, { isPaused, concurrencyMax }) => {
    const before = {
      ...(change.isPaused === undefined ? {} : { isPaused }),
      ...(change.concurrencyMax === undefined ? {} : { concurrencyMax }),
    };
    const details = { ...change, before };
    return insertAudit(tx, { ...operator, action: 'queue.change', subject: queue.name, details });
  });
}

/** Rows of failed jobs that are looked at a time. */
const retryPage = 100;

/** @returns false for a job that cannot have another go */
async function tryAgain(services: Pick<Services, 'db' | 'jobs'>, change: JobChange): Promise<boolean> {
  try {
    await retryJob(services, change);
    return true;
  } catch (error) {
    if (isDomainError(error, 'job_not_retriable') || isDomainError(error, 'not_found')) return false;
    throw error;
  }
}

/**
 * Gives every failed job of a queue another go; `skipped` are those whose kind cannot be repeated, and those that somebody
 * else was faster with. At most {@link queueCountMax}. @throws not_found
 */
export async function retryFailed(
  services: Pick<Services, 'db' | 'jobs'>,
  { name, ...operator }: { readonly name: string; readonly principal: Principal; readonly requestId: string },
): Promise<{ readonly retried: number; readonly skipped: number }> {
  const { admin } = services.jobs;
  const queue = queueNamed(admin, name);
  let [retried, skipped] = [0, 0];
  while (retried + skipped < queueCountMax) {
    // Those that are retried have left the list.
    const page = await admin.jobs(queue, { state: 'failed', offset: skipped, limit: retryPage });
    for (const { id } of page) {
      if (await tryAgain(services, { ...operator, jobId: id })) retried += 1;
      else skipped += 1;
    }
    if (page.length < retryPage) break;
  }
  return { retried, skipped };
}

function queueNamed(admin: QueueAdmin, name: string): QueueInfo {
  const queue = admin.queues.find((one) => one.name === name);
  if (queue === undefined) throw domainError('not_found', 'There is no such queue.');
  return queue;
}

/** As {@link changeSetting}, for the queue of that name. @throws not_found */
export async function changeQueue(
  services: Pick<Services, 'db' | 'jobs'>,
  request: QueueChange & { readonly name: string },
): Promise<QueueView> {
  const queue = queueNamed(services.jobs.admin, request.name);
  await changeSetting(services, queue, request);
  const [view] = await viewOf(services, [queue]);
  if (view === undefined) throw domainError('internal', 'A queue has no view.');
  return view;
}
