import { notifyJob } from '../../db/notifications.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { listWorkers, lockWorker, updateWorkerDrain, type WorkerRecord } from '../../db/queries/workers.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { beatWord } from '../../jobs/notification-words.ts';
import { workerGoneMs, workerLateMs } from '../../jobs/timings.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

/**
 * What a worker process is at: `active` takes jobs; `draining` finishes what it runs and takes nothing more; `drained`
 * runs nothing and can be stopped without any effect; `silent` has missed its beats.
 */
export type WorkerState = 'active' | 'draining' | 'drained' | 'silent';

/** The state of a worker, from its row. */
export function stateOf(worker: WorkerRecord): WorkerState {
  if (worker.silentMs > workerLateMs) return 'silent';
  if (worker.takesJobs && !worker.isDraining) return 'active';
  return worker.takesJobs || worker.jobIds.length > 0 ? 'draining' : 'drained';
}

/** The worker processes that are up, or were until half a minute ago, in the order of their starts. */
export async function readWorkers(services: Pick<Services, 'db'>): Promise<WorkerRecord[]> {
  return await listWorkers(services.db, workerGoneMs);
}

function workerNotFound(): DomainError {
  return domainError('not_found', 'There is no such worker.');
}

/** Asks a worker to take no more jobs, or to take some again, and wakes it up to hear that. @throws not_found */
export async function drainWorker(
  services: Pick<Services, 'db'>,
  request: { readonly operator: Operator; readonly workerId: string; readonly isDraining: boolean },
): Promise<WorkerRecord> {
  const id = parseId(request.workerId);
  if (id === undefined) throw workerNotFound();
  const { operator, isDraining } = request;
  const worker = await services.db.transaction(async (tx) => {
    const before = await lockWorker(tx, id);
    if (before === null || before.silentMs > workerGoneMs) throw workerNotFound();
    const { host, pid } = before;
    const details = { host, pid, isDraining, before: { isDraining: before.isDraining } };
    const action = isDraining ? 'worker.drain' : 'worker.resume';
    await insertAudit(tx, { ...operator, action, subject: id, details });
    return await updateWorkerDrain(tx, { id, isDraining });
  });
  if (worker === null) throw workerNotFound();
  // It looks every few seconds anyway.
  await notifyJob(services.db, worker.id, beatWord).catch(() => undefined);
  return worker;
}
