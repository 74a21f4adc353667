import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import type { Executor } from './client.ts';
import { socketPathOf } from './socket-path.ts';
import { statement } from './statement.ts';

const channel = 'vfolder_job';
const probeMs = 15_000;
const probeWaitMs = 5_000;
const reconnectMs = 1_000;

/** Hears what happens to jobs, from any process. What is heard is a hint: nothing is repeated, and some gets lost. */
export interface JobNotifications {
  /**
   * Calls `listener` with the word that came with the job's id, and with `null` when words may have been missed.
   * @returns the end of it
   */
  subscribe(jobId: string, listener: (word: string | null) => void): () => void;
  close(): Promise<void>;
}

/** A word about a job. */
export interface JobWord {
  readonly jobId: string;
  readonly word: string;
}

/** Tells every listening process several words at once; otherwise as {@link notifyJob}. */
export async function notifyJobs(db: Executor, words: readonly JobWord[]): Promise<void> {
  const payloads = JSON.stringify(words.map(({ jobId, word }) => `${jobId} ${word}`));
  await db.execute(
    statement`SELECT pg_notify(${channel}, payload) FROM jsonb_array_elements_text(${payloads}::jsonb) AS payload`,
  );
}

/**
 * Tells every listening process a word about a job. Commits on its own: a NOTIFY inside a larger transaction would
 * make all such commits of the database wait for each other.
 */
export async function notifyJob(db: Executor, jobId: string, word: string): Promise<void> {
  await notifyJobs(db, [{ jobId, word }]);
}

/**
 * Listens on a connection of its own, made again whenever it is lost. As a connection may be dead without a sign, a
 * message to itself proves it from time to time. Nothing is connected before the first subscription.
 */
export function openNotifications(options: {
  readonly url: string;
  readonly onError: (error: unknown) => void;
}): JobNotifications {
  const listeners = new Map<string, Set<(word: string | null) => void>>();
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const hear = (payload: string) => {
    const [jobId = '', word = ''] = payload.split(' ');
    for (const listener of listeners.get(jobId) ?? []) listener(word);
  };
  const missed = () => {
    for (const set of listeners.values()) for (const listener of set) listener(null);
  };
  return {
    subscribe: (jobId, listener) => {
      const set = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, set.add(listener));
      running ??= listenForever({ ...options, hear, missed, signal: stop.signal });
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(jobId) === set) listeners.delete(jobId);
      };
    },
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

interface ListenOptions {
  readonly url: string;
  readonly onError: (error: unknown) => void;
  readonly hear: (payload: string) => void;
  readonly missed: () => void;
  readonly signal: AbortSignal;
}

async function listenForever(options: ListenOptions): Promise<void> {
  while (!options.signal.aborted) {
    try {
      await listenOnce(options);
    } catch (error) {
      options.onError(error);
    }
    await pause(reconnectMs, options.signal);
  }
}

/** Listens until `signal` or until a probe fails. */
async function listenOnce(options: ListenOptions): Promise<void> {
  const path = socketPathOf(options.url);
  const client = postgres(options.url, {
    ...(path === undefined ? {} : { path }),
    max: 1,
    connect_timeout: 10,
    fetch_types: false,
    // Only for the probes; the driver opens another connection to listen and keeps it.
    idle_timeout: 2,
    connection: { application_name: 'vfolder-listen' },
    onnotice: () => undefined,
  });
  const self = randomUUID();
  let echoes = 0;
  try {
    await client.listen(
      channel,
      (payload) => {
        if (payload.startsWith(self)) echoes += 1;
        else options.hear(payload);
      },
      options.missed,
    );
    while (!options.signal.aborted) {
      await pause(probeMs, options.signal);
      const before = echoes;
      await client`SELECT pg_notify(${channel}, ${`${self} probe`})`;
      for (let waited = 0; echoes === before && waited < probeWaitMs; waited += 100)
        await pause(100, options.signal);
      if (echoes === before && !options.signal.aborted)
        throw new Error('The job notifications have fallen silent.');
    }
  } finally {
    await client.end({ timeout: 0 });
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}
