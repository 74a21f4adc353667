import { setTimeout } from 'node:timers/promises';
import type { Executor } from '../../db/client.ts';
import { listFollowedJobs } from '../../db/queries/followed-jobs.ts';
import { isTerminal } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { ApiRequest } from '../route.ts';
import {
  type EventTimes,
  idOf,
  reconnectEvent,
  sendEvents,
  stillHere,
  usualEventTimes,
  writeEvent,
} from './events.ts';
import { toJobBody } from './presenter.ts';

/** Clocks of processes may differ by this much, and a transaction may take as long from its clock to its commit. */
const marginMs = 10_000;
/** Ends longer ago than this are history. */
const resumeMsMax = 60 * 60_000;

/** The smallest id that is made (RFC 9562, version 7) at this time. */
function firstIdOf(ms: number): string {
  const digits = Math.max(0, ms).toString(16).padStart(12, '0');
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-000000000000`;
}

/** The time of the look that an event came from, as its `id:` says; `null` for what is no id of ours. */
function lookOf(lastEventId: string | undefined, now: number): Date | null {
  if (lastEventId === undefined || !/^\d{1,15}$/.test(lastEventId)) return null;
  const look = Math.min(Math.max(Number(lastEventId), now - resumeMsMax), now);
  return new Date(look - marginMs);
}

type Following = Pick<ApiRequest<unknown>, 'services' | 'signal'>;

/** What one stream has told of each job that may change, or be seen again. */
class OwnJobs {
  readonly #told = new Map<string, { readonly mark: string; readonly endedAt: number | null }>();
  readonly #userId: string;
  #endedFrom: Date | null;
  /** What was made before is only news while it is unfinished. */
  readonly #firstMade: number;
  #madeFrom: number;

  constructor(userId: string, lastEventId: string | undefined, now: number) {
    this.#userId = userId;
    this.#endedFrom = lookOf(lastEventId, now);
    this.#firstMade = this.#endedFrom?.getTime() ?? now;
    this.#madeFrom = this.#firstMade;
  }

  /** Looks at the jobs. @returns an event for each that is not as it was last told */
  async look(db: Executor, now: number): Promise<Buffer[]> {
    const open = [...this.#told].filter(([, { endedAt }]) => endedAt === null).map(([id]) => id);
    const jobs = await listFollowedJobs(db, {
      actorId: this.#userId,
      madeFrom: firstIdOf(this.#madeFrom),
      endedFrom: this.#endedFrom,
      ids: open,
    });
    this.#endedFrom = null;
    this.#madeFrom = Math.max(this.#firstMade, now - marginMs);
    const news = jobs.flatMap((job) => this.#tell(job, now));
    // No look shows those any more.
    for (const [id, { endedAt }] of this.#told) {
      if (endedAt !== null && endedAt < now - 2 * marginMs) this.#told.delete(id);
    }
    return news;
  }

  #tell(job: JobView, now: number): readonly Buffer[] {
    const body = toJobBody(job);
    const mark = idOf(body);
    if (this.#told.get(job.id)?.mark === mark) return [];
    this.#told.set(job.id, { mark, endedAt: isTerminal(job.state) ? now : null });
    return [writeEvent(`${now}`, job, body)];
  }
}

/**
 * All jobs of a user as server-sent events, looked at every second: what is unfinished as it stands, then every change, new
 * jobs and their ends. An event is what `GET /jobs/:id` shows. After a break, with the last event's id, it tells what ended
 * meanwhile too; some of that may have been told before.
 */
export async function* ownEvents(
  { services, signal }: Following,
  { userId, lastEventId }: { readonly userId: string; readonly lastEventId?: string | undefined },
  times: EventTimes & { readonly lookMs: number } = { ...usualEventTimes, lookMs: 1_000 },
): AsyncGenerator<Buffer> {
  yield reconnectEvent;
  const jobs = new OwnJobs(userId, lastEventId, Date.now());
  const until = performance.now() + times.streamMs;
  const isOver = () => signal.aborted || services.stopping?.aborted === true || performance.now() > until;
  let toldAt = performance.now();
  while (!isOver()) {
    // While the database is away there is nothing to tell; whoever sends this ends a stream that it keeps away from too long.
    const events = await jobs.look(services.db, Date.now()).catch(() => []);
    const isQuiet = events.length === 0 && performance.now() - toldAt >= times.heartbeatMs;
    for (const event of isQuiet ? [stillHere] : events) {
      toldAt = performance.now();
      yield event;
    }
    await setTimeout(times.lookMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Answers `GET /events`. @returns once it is over */
export async function sendOwnEvents(request: ApiRequest<unknown>): Promise<'sent'> {
  const { principal, headers } = request;
  const given = headers['last-event-id'];
  const lastEventId = typeof given === 'string' ? given : undefined;
  const { userId } = principal;
  return await sendEvents(request, null, (following) => ownEvents(following, { userId, lastEventId }));
}
