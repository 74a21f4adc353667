import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { mayFollowJob } from '../../db/queries/followers.ts';
import { isTerminal } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { sessionTopic } from '../../jobs/notification-words.ts';
import { sendBody } from '../http/send-body.ts';
import { watchAccess } from '../http/watch-access.ts';
import type { ApiRequest } from '../route.ts';
import { followJob, streamMsMax } from './follow-job.ts';
import { readJob } from './operations.ts';
import { toJobBody } from './presenter.ts';
import type { jobBody } from './schemas.ts';

/** A comment goes out when there is nothing to tell, well below what proxies commonly bear (60 s). */
const heartbeatMsUsual = 15_000;
/** What browsers wait before they connect again (HTML, "server-sent events"). */
const reconnectMs = 1_000;

/** How long a stream of events bears having nothing to tell, and how long it lasts. */
export interface EventTimes {
  readonly heartbeatMs: number;
  readonly streamMs: number;
}

/** The usual ones. */
export const usualEventTimes: EventTimes = { heartbeatMs: heartbeatMsUsual, streamMs: streamMsMax };

/** Begins a stream: goes out at once, so that a client knows that events come through. */
export const reconnectEvent = Buffer.from(`retry: ${reconnectMs}\n\n`);
/** Keeps proxies from taking a quiet stream for a dead one. */
export const stillHere = Buffer.from(': still here\n\n');

/** What the head of a stream says. Proxies must not hold events back until there are many. */
const streamHeaders = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
} as const;

type JobBody = z.infer<typeof jobBody>;

/** Writes an event about a job under an id: `progress` for how it stands, `end` for how it ended. */
export function writeEvent(id: string, job: JobView, body: JobBody): Buffer {
  const name = isTerminal(job.state) ? 'end' : 'progress';
  return Buffer.from(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(body)}\n\n`);
}

/** Names one state of a job; the same from every process, so that a client goes on anywhere. */
export function idOf(body: JobBody): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22);
}

/**
 * A job as server-sent events: `progress` for how it stands and `end` for how it ended, each with the whole job. What the
 * client heard last (`lastEventId`) is not told again; states in between are not kept, so it gets the newest.
 */
export async function* jobEvents(
  request: Pick<ApiRequest<unknown>, 'services' | 'signal'>,
  jobId: string,
  {
    lastEventId,
    heartbeatMs = heartbeatMsUsual,
  }: { readonly lastEventId?: string | undefined; readonly heartbeatMs?: number },
): AsyncGenerator<Buffer> {
  yield reconnectEvent;
  let heard = lastEventId;
  for await (const job of followJob(request, jobId, heartbeatMs)) {
    if (job === null) yield stillHere;
    else {
      const body = toJobBody(job);
      const id = idOf(body);
      if (id === heard) continue;
      heard = id;
      yield writeEvent(id, job, body);
    }
  }
}

/**
 * Sends events while the caller may see the job (`null`: those of their own); a stream whose right is gone is cut within
 * seconds.
 * @returns once it is over
 */
export async function sendEvents(
  request: ApiRequest<unknown>,
  jobId: string | null,
  eventsOf: (following: Pick<ApiRequest<unknown>, 'services' | 'signal'>) => AsyncGenerator<Buffer>,
): Promise<'sent'> {
  const { services, principal, outgoing, signal, unsentBytes } = request;
  const { userId, role, accessKey, session } = principal;
  const follower = { jobId, userId, role, accessKey, session };
  const access = watchAccess(() => mayFollowJob(services.db, follower), signal);
  const unsubscribe =
    session === undefined ? undefined : services.notifications?.subscribe(sessionTopic(session), access.look);
  try {
    outgoing.writeHead(200, streamHeaders);
    const source = Readable.from(eventsOf({ services, signal: access.signal }), { objectMode: false });
    await sendBody({ source, outgoing, signal: access.signal, unsentBytes });
    return 'sent';
  } finally {
    unsubscribe?.();
    access.end();
  }
}

/** Whether a client has heard how the job ended, so that there is nothing left to tell. */
function hasHeardEnd(job: JobView, lastEventId: string | undefined): boolean {
  return isTerminal(job.state) && lastEventId === idOf(toJobBody(job));
}

/** Answers `GET /jobs/:id/events`: 204 has a browser not connect again (HTML, "server-sent events"). @throws not_found */
export async function sendJobEvents(
  request: ApiRequest<unknown>,
): Promise<'sent' | { readonly status: 204 }> {
  const { services, principal, params, headers } = request;
  const job = await readJob(services, { principal, jobId: params.id ?? '' });
  const given = headers['last-event-id'];
  const lastEventId = typeof given === 'string' ? given : undefined;
  if (hasHeardEnd(job, lastEventId)) return { status: 204 };
  return await sendEvents(request, job.id, (following) => jobEvents(following, job.id, { lastEventId }));
}
