import { createThreadPool, type ThreadPool } from '../../threads/thread-pool.ts';
import type { EntryStat } from '../../volume.ts';
import type { Bulkhead } from '../bulkhead.ts';
import type { Directory } from '../handles/directory.ts';
import { requireName } from '../handles/entry-name.ts';
import type { HandOutcome, HandStep, HandsDone, HandTask, Placing } from './hand-tasks.ts';

/** Steps of one message. */
const stepsMax = 16;
/** How long a message may hold up a thread while others wait: where calls take long, fewer steps go together and more threads take them. */
const messageMs = 1;
/** Threads of a volume whose calls take long; a fast one has the usual number, of which one is seldom busy. */
const threadsSlow = 8;
/** Messages by the fastest of which a volume is judged: a thread that waited for its core says nothing of the volume. */
const judgedMessages = 32;

/**
 * Takes small steps on a volume in threads of its own, by synchronous calls: a thread does a dozen of them in the time that
 * a hop to libuv's pool and back takes for one. What is asked for in one turn of the event loop travels together.
 * Every message is one call for the bulkhead. When that gives it up the callers are told, and what was lent stays open until
 * the thread comes back.
 */
export interface Hands {
  /** `lstat` of a name, or `null` when nothing has it. @throws the error of the system call */
  look(directory: Directory, name: string): Promise<EntryStat | null>;
  /** Renames over a regular file or a free name. @throws the error of the system call */
  place(
    from: { readonly directory: Directory; readonly name: string },
    to: { readonly directory: Directory; readonly name: string },
  ): Promise<Placing>;
  /** Ends the threads, unless they are shared. */
  close(): Promise<void>;
}

interface Asked {
  readonly step: HandStep;
  /** The caller has its answer. */
  readonly answer: (outcome: HandOutcome) => void;
  readonly refuse: (error: unknown) => void;
  /** Nothing touches what was lent any more. */
  readonly giveBack: () => void;
}

/** Looks like the failed call that it was. */
function failureOf({ errno, message }: Extract<HandOutcome, { errno: number }>): Error {
  return Object.assign(new Error(message), { errno });
}

/** How many steps go together, by what a step takes. */
interface Pace {
  note(msPerStep: number): void;
  steps(): number;
}

/** Judges by the fastest of the latest messages. */
export function createPace(): Pace {
  const latest: number[] = [];
  let steps = stepsMax;
  return {
    note: (msPerStep) => {
      latest.push(msPerStep);
      if (latest.length > judgedMessages) latest.shift();
      const fits = Math.floor(messageMs / Math.min(...latest));
      steps = Math.min(stepsMax, Math.max(1, fits));
    },
    steps: () => steps,
  };
}

/** The threads of hands, and how fast their steps are. */
export interface HandPool {
  readonly pace: Pace;
  readonly pool: ThreadPool<HandTask, HandsDone>;
}

/** Makes the threads; none is started before it is needed. */
export function createHandPool(): HandPool {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pool: HandPool['pool'] = createThreadPool(new URL(`./hand-thread.${extension}`, import.meta.url));
  const { note, steps } = createPace();
  const noteAndGrow = (msPerStep: number) => {
    note(msPerStep);
    if (steps() < stepsMax) pool.grow(threadsSlow);
  };
  return { pace: { note: noteAndGrow, steps }, pool };
}

/** Makes the hands of a volume, with threads of its own unless it is given some that somebody else closes: a volume that may hang needs its own. */
export function createHands(bulkhead: Bulkhead, shared?: HandPool): Hands {
  const { pace, pool } = shared ?? createHandPool();
  const waiting: Asked[] = [];
  let isPlanned = false;

  const send = async (asked: readonly Asked[]): Promise<void> => {
    let isBegun = false;
    const giveAllBack = () => {
      for (const { giveBack } of asked) giveBack();
    };
    const call = async () => {
      isBegun = true;
      try {
        return await pool.run(asked.map(({ step }) => step));
      } finally {
        giveAllBack();
      }
    };
    try {
      const { outcomes, ms } = await bulkhead.run(call);
      pace.note(ms / asked.length);
      for (const [index, { answer, refuse }] of asked.entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) refuse(new Error('A message has as many answers as steps.'));
        else answer(outcome);
      }
    } catch (error) {
      if (!isBegun) giveAllBack();
      for (const { refuse } of asked) refuse(error);
    }
  };
  const sendAll = (): void => {
    isPlanned = false;
    while (waiting.length > 0) void send(waiting.splice(0, pace.steps()));
  };
  const ask = (lent: (use: (step: HandStep) => Promise<void>) => Promise<void>): Promise<HandOutcome> =>
    new Promise((resolve, reject) => {
      const use = (step: HandStep) =>
        new Promise<void>((giveBack) => {
          waiting.push({ step, answer: resolve, refuse: reject, giveBack });
          if (!isPlanned) setImmediate(sendAll);
          isPlanned = true;
        });
      // Rejects when what should be lent was closed before.
      lent(use).catch(reject);
    });
  return {
    look: async (directory, name) => {
      requireName(name);
      const outcome = await ask((use) =>
        directory.usingWithin((fd) => use({ verb: 'look', directory: fd, name })),
      );
      if ('stat' in outcome) return outcome.stat;
      throw 'errno' in outcome ? failureOf(outcome) : new Error('A look is answered by a look.');
    },
    place: async (from, to) => {
      requireName(from.name);
      requireName(to.name);
      const outcome = await ask((use) =>
        from.directory.usingWithin((fromFd) =>
          to.directory.usingWithin((toFd) =>
            use({
              verb: 'place',
              directory: toFd,
              name: to.name,
              from: { directory: fromFd, name: from.name },
            }),
          ),
        ),
      );
      if ('placed' in outcome) return outcome.placed;
      throw 'errno' in outcome ? failureOf(outcome) : new Error('A place is answered by a place.');
    },
    close: async () => {
      if (shared === undefined) await pool.close();
    },
  };
}
