import { z } from 'zod';
import { isTerminal } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { sendEvents } from '../jobs/events.ts';
import { followJob } from '../jobs/follow-job.ts';
import { readJob } from '../jobs/operations.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';

/** How often progress is told at least; it also keeps the connection from looking dead. */
const tellEveryMs = 1_000;

const taskInput = z.object({ task_id: z.string() });

function eventOf(name: string, data: Readonly<Record<string, unknown>>): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function progressEvent({ id, progress }: JobView): string {
  const { bytes, of } = progress ?? { bytes: 0, of: null };
  const total = Math.max(of?.bytes ?? 0, bytes, 1);
  return eventOf('bgtask_updated', {
    task_id: id,
    message: '',
    current_progress: bytes,
    total_progress: total,
  });
}

const endEvents = { succeeded: 'bgtask_done', cancelled: 'bgtask_cancelled' } as const;

function endEvent({ id, state, errorDetail }: JobView): string {
  const name = state === 'succeeded' || state === 'cancelled' ? endEvents[state] : 'bgtask_failed';
  const end = eventOf(name, { task_id: id, message: errorDetail ?? '' });
  return `${end}event: server_close\ndata: {}\n\n`;
}

async function* taskEvents(
  following: Pick<ApiRequest<unknown>, 'services' | 'signal'>,
  first: JobView,
): AsyncGenerator<Buffer> {
  let job = first;
  for await (const news of followJob(following, first.id, tellEveryMs)) {
    job = news ?? job;
    yield Buffer.from(isTerminal(job.state) ? endEvent(job) : progressEvent(job));
  }
}

/** Jobs as clients follow them: progress and end as server-sent events. */
export const taskRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/events/background-task',
    access: 'user',
    right: null,
    body: 'json',
    isStream: true,
    input: taskInput,
    answers: { 200: { media: ['text/event-stream'] } },
    doc: { tag: 'Clients', id: 'followTask', summary: 'Follow a job by its events', refusals: ['not_found'] },
    handle: async (request) => {
      const { services, principal, input } = request;
      const job = await readJob(services, { principal, jobId: input.task_id });
      return await sendEvents(request, job.id, (following) => taskEvents(following, job));
    },
    client: { aliases: { taskId: 'task_id' } },
  }),
];
