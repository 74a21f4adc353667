import { z } from 'zod';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { changeQueue, type QueueView, readQueues, retryFailed } from './operations.ts';
import { queueBody, queueListBody, queueSettingsInput, retriedBody } from './schemas.ts';

function toQueueBody(queue: QueueView): z.infer<typeof queueBody> {
  const { name, work, volume, setting, counts, oldestWaitingSeconds, workers } = queue;
  return {
    queue: name,
    work,
    volume,
    is_paused: setting.isPaused,
    concurrency: setting.concurrencyMax,
    counts,
    oldest_waiting_seconds: oldestWaitingSeconds,
    workers,
  };
}

/** Lists the queues with what is set for them and how they stand. */
export const getQueueSettings = defineRoute({
  method: 'GET',
  path: '/admin/queue-settings',
  access: 'admin',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: queueListBody },
  doc: { tag: 'Administration', id: 'listQueues', summary: 'List the queues with their settings' },
  handle: async ({ services }) => {
    const queues = await readQueues(services);
    return { status: 200, body: { items: queues.map(toQueueBody) } };
  },
});

/** Pauses, resumes or limits a queue. */
export const patchQueueSettings = defineRoute({
  method: 'PATCH',
  path: '/admin/queue-settings/:queue',
  access: 'admin',
  right: null,
  body: 'json',
  input: queueSettingsInput,
  answers: { 200: queueBody },
  doc: {
    tag: 'Administration',
    id: 'changeQueue',
    summary: 'Pause, resume or limit a queue',
    refusals: ['not_found'],
  },
  handle: async (request) => {
    const { services, params, input } = request;
    const { is_paused: isPaused, concurrency } = input;
    const change = {
      ...(isPaused === undefined ? {} : { isPaused }),
      ...(concurrency === undefined ? {} : { concurrencyMax: concurrency }),
    };
    const queue = await changeQueue(services, {
      operator: operatorOf(request),
      name: params.queue ?? '',
      change,
    });
    return { status: 200, body: toQueueBody(queue) };
  },
});

/** Gives the failed jobs of a queue another go. */
export const postRetryFailed = defineRoute({
  method: 'POST',
  path: '/admin/queue-settings/:queue/retry-failed',
  access: 'admin',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: retriedBody },
  doc: {
    tag: 'Administration',
    id: 'retryFailedJobs',
    summary: 'Give the failed jobs of a queue another go',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, requestId, params }) => {
    const body = await retryFailed(services, { principal, requestId, name: params.queue ?? '' });
    return { status: 200, body };
  },
});

/** Routes about the settings of queues. */
export const queueSettingsRoutes: readonly Route[] = [getQueueSettings, patchQueueSettings, postRetryFailed];
