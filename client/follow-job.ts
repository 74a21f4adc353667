import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal } from '../domain/job.ts';
import { readEvents } from './events.ts';
import { type Http, pathOf } from './http.ts';
import { type Job, jobModel } from './models.ts';
import { noRetries } from './retry.ts';

/** How to follow a job. */
export interface FollowOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears of the job whenever there is something new, its end included. */
  readonly onLook?: ((job: Job) => void) | undefined;
}

const firstLookMs = 100;
const lookMsMax = 2_000;
/** The service tells how the job stands at once; a proxy that holds events back does not let it through. */
const firstEventMsMax = 5_000;
/** The service sends something every 15 s. */
const silenceMsMax = 40_000;
/** Streams that brought nothing new, one after the other, before the job is looked at instead. */
const fruitlessMax = 3;

/** What has been heard of a job so far. */
interface Heard {
  job: Job | undefined;
  lastEventId: string;
}

/** Aborts when nothing was heard for as long as was allowed last. */
function openAttention(outer: AbortSignal | undefined) {
  const silence = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const allow = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new Error('Nothing comes through.')), ms);
  };
  allow(firstEventMsMax);
  return {
    signal: outer === undefined ? silence.signal : AbortSignal.any([outer, silence.signal]),
    isSilent: () => silence.signal.aborted,
    allow,
    end: () => clearTimeout(timer),
  };
}

type Attention = ReturnType<typeof openAttention>;

/** Opens a stream where the last one ended. @returns `null` when what answers has no events */
async function openStream(
  http: Http,
  id: string,
  { lastEventId }: Heard,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | null> {
  const resume = lastEventId === '' ? {} : { 'Last-Event-ID': lastEventId };
  const response = await http.send('GET', `${pathOf('jobs', id)}/events`, {
    headers: { Accept: 'text/event-stream', ...resume },
    signal,
    retries: noRetries,
  });
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) return response.body;
  response.discard();
  return null;
}

/** Comments count as life once an event has proven that events are let through. */
async function* noting(
  body: AsyncIterable<Uint8Array>,
  heardSomething: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    heardSomething();
    yield chunk;
  }
}

async function hear(
  body: AsyncIterable<Uint8Array>,
  heard: Heard,
  { onLook }: FollowOptions,
  attention: Attention,
): Promise<void> {
  let isLetThrough = false;
  const heardSomething = () => {
    if (isLetThrough) attention.allow(silenceMsMax);
  };
  for await (const event of readEvents(noting(body, heardSomething))) {
    isLetThrough = true;
    heardSomething();
    const job = jobModel.parse(JSON.parse(event.data));
    heard.job = job;
    heard.lastEventId = event.id;
    onLook?.(job);
    if (isTerminal(job.state)) return;
  }
}

/** @returns whether another stream may bring more. @throws only when the caller's signal aborts */
async function hearOnce(http: Http, id: string, heard: Heard, options: FollowOptions): Promise<boolean> {
  const attention = openAttention(options.signal);
  let isOpen = false;
  try {
    const body = await openStream(http, id, heard, attention.signal);
    if (body === null) return false;
    isOpen = true;
    await hear(body, heard, options, attention);
    return heard.job === undefined || !isTerminal(heard.job.state);
  } catch {
    options.signal?.throwIfAborted();
    // A stream that broke off can be gone on with. Why none opens is told by the look that follows.
    return isOpen && !attention.isSilent();
  } finally {
    attention.end();
  }
}

/** Follows by events as far as they carry: to the end of the job, or until there is no use in another stream. */
async function followByEvents(http: Http, id: string, heard: Heard, options: FollowOptions): Promise<void> {
  for (let fruitless = 0; fruitless < fruitlessMax; ) {
    const before = heard.lastEventId;
    if (!(await hearOnce(http, id, heard, options))) return;
    fruitless = heard.lastEventId === before ? fruitless + 1 : 0;
  }
}

async function followByLooks(http: Http, id: string, options: FollowOptions): Promise<Job> {
  const { signal, onLook } = options;
  for (let waitMs = firstLookMs; ; waitMs = Math.min(lookMsMax, waitMs * 1.5)) {
    const job = await http.read('GET', pathOf('jobs', id), jobModel, { signal });
    onLook?.(job);
    if (isTerminal(job.state)) return job;
    await delay(waitMs, undefined, signal === undefined ? {} : { signal });
  }
}

/**
 * Follows a job to its end by the events of the service, and where none come through (an older service, a proxy that holds
 * them back, too many streams) by looking at it again and again. @throws what {@link Http.read} throws
 */
export async function followJob(http: Http, id: string, options: FollowOptions): Promise<Job> {
  const heard: Heard = { job: undefined, lastEventId: '' };
  await followByEvents(http, id, heard, options);
  const { job } = heard;
  return job !== undefined && isTerminal(job.state) ? job : await followByLooks(http, id, options);
}
