import { Readable } from 'node:stream';
import { z } from 'zod';
import { isTerminal } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { sendBody } from '../http/send-body.ts';
import { readJob } from '../jobs/operations.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';

/** How often progress is told; it also keeps the connection from looking dead. */
const tellEveryMs = 1_000;
/** A stream ends after this long whatever the job does; clients then connect again. */
const streamMsMax = 10 * 60_000;

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

async function* eventsOf(request: ApiRequest<unknown>, first: JobView): AsyncGenerator<Buffer> {
  const { services, principal, signal } = request;
  const until = performance.now() + streamMsMax;
  let job = first;
  // A process that stops ends its streams; clients then connect to another one.
  const isOver = () => performance.now() > until || services.stopping?.aborted === true;
  while (!isTerminal(job.state) && !isOver()) {
    yield Buffer.from(progressEvent(job));
    await services.jobs.wait(job.id, { timeoutMs: tellEveryMs, signal });
    if (signal.aborted) return;
    job = await readJob(services, { principal, jobId: job.id });
  }
  if (isTerminal(job.state)) yield Buffer.from(endEvent(job));
}

async function sendEvents(request: ApiRequest<z.infer<typeof taskInput>>): Promise<'sent'> {
  const { services, principal, input, outgoing, signal } = request;
  const job = await readJob(services, { principal, jobId: input.task_id });
  outgoing.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  await sendBody({ source: Readable.from(eventsOf(request, job)), outgoing, signal });
  return 'sent';
}

/** Jobs as clients follow them: progress and end as server-sent events. */
export const taskRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/events/background-task',
    access: 'user',
    right: null,
    body: 'json',
    input: taskInput,
    answers: { 200: { media: ['text/event-stream'] } },
    doc: { tag: 'Clients', id: 'followTask', summary: 'Follow a job by its events', refusals: ['not_found'] },
    handle: sendEvents,
    client: { aliases: { taskId: 'task_id' } },
  }),
];
