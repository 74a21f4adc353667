import { z } from 'zod';
import type { WorkerRecord } from '../../db/queries/workers.ts';
import { operatorOf } from '../operator.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { drainWorker, readWorkers, stateOf } from './operations.ts';
import { workerBody, workerListBody } from './schemas.ts';

const nothing = z.object({});

function toWorkerBody(worker: WorkerRecord) {
  return {
    id: worker.id,
    host: worker.host,
    pid: worker.pid,
    version: worker.version,
    state: stateOf(worker),
    queues: worker.queues,
    volumes: worker.volumes,
    concurrency: worker.concurrency,
    jobs: worker.jobIds,
    started_at: worker.startedAt.toISOString(),
    last_beat_at: worker.beatAt.toISOString(),
  };
}

async function answerDrain(request: ApiRequest<object>, isDraining: boolean) {
  const { services, params } = request;
  const operator = operatorOf(request);
  const worker = await drainWorker(services, { operator, workerId: params.id ?? '', isDraining });
  return { status: 202, body: toWorkerBody(worker) } as const;
}

/** Lists the worker processes. */
export const getWorkers = defineRoute({
  method: 'GET',
  path: '/admin/workers',
  access: 'admin',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 200: workerListBody },
  doc: { tag: 'Administration', id: 'listWorkers', summary: 'List the worker processes' },
  handle: async ({ services }) => {
    const workers = await readWorkers(services);
    return { status: 200, body: { items: workers.map(toWorkerBody) } };
  },
});

/** Has a worker finish what it runs and take nothing more. */
export const postDrain = defineRoute({
  method: 'POST',
  path: '/admin/workers/:id/drain',
  access: 'admin',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 202: workerBody },
  doc: {
    tag: 'Administration',
    id: 'drainWorker',
    summary: 'Have a worker finish what it runs and take nothing more',
    refusals: ['not_found'],
  },
  handle: (request) => answerDrain(request, true),
});

/** Has a worker take jobs again. */
export const deleteDrain = defineRoute({
  method: 'DELETE',
  path: '/admin/workers/:id/drain',
  access: 'admin',
  right: null,
  body: 'json',
  input: nothing,
  answers: { 202: workerBody },
  doc: {
    tag: 'Administration',
    id: 'resumeWorker',
    summary: 'Have a worker take jobs again',
    refusals: ['not_found'],
  },
  handle: (request) => answerDrain(request, false),
});

/** Routes about worker processes. */
export const workerRoutes: readonly Route[] = [getWorkers, postDrain, deleteDrain];
