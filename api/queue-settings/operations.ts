import { insertAudit } from '../../db/queries/audit.ts';
import type { QueueJobState } from '../../db/queries/queue-jobs.ts';
import type { QueueSetting, QueueSettingChange } from '../../db/queries/queue-settings.ts';
import type { WorkerRecord } from '../../db/queries/workers.ts';
import { domainError } from '../../domain/errors.ts';
import type { QueueInfo } from '../../jobs/queue-admin.ts';
import type { Operator } from '../operator.ts';
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

/** As {@link changeSetting}, for the queue of that name. @throws not_found */
export async function changeQueue(
  services: Pick<Services, 'db' | 'jobs'>,
  request: QueueChange & { readonly name: string },
): Promise<QueueView> {
  const queue = services.jobs.admin.queues.find(({ name }) => name === request.name);
  if (queue === undefined) throw domainError('not_found', 'There is no such queue.');
  await changeSetting(services, queue, request);
  const [view] = await viewOf(services, [queue]);
  if (view === undefined) throw domainError('internal', 'A queue has no view.');
  return view;
}
