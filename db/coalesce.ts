import { setImmediate as nextTurn } from 'node:timers/promises';
import { failureOf } from './failure.ts';

/** Most requests that travel together: their statement stays short, and so does the time that it holds its locks. */
const membersMax = 64;

/** Longer than any lock is held: a round that is not answered by then rides on a connection that is gone unnoticed. */
const silenceMsMax = 60_000;

/** Looks like a lost connection to whoever reads failures, see `failureOf`. */
class RoundSilentError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor() {
    super('The database has not answered for a minute.');
    this.name = 'RoundSilentError';
  }
}

/** @throws what `work` throws, or a lost connection when it takes too long; it then goes on and may take effect */
async function untilSilent<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new RoundSilentError()), silenceMsMax);
  });
  try {
    return await Promise.race([work, silent]);
  } finally {
    clearTimeout(timer);
  }
}

/** How requests travel together. */
export interface Coalescing<Request, Answer> {
  /**
   * Does what several requests ask for, in one statement or one transaction. Each of them stays its own: what is not
   * granted is said in its answer. @returns answers in the order of the requests @throws when nothing took effect, or
   * nobody knows
   */
  readonly run: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  /** Only requests with equal keys travel together; those with others do not wait for them. Default: all do. */
  readonly keyOf?: (request: Request) => string;
  /** Whether a request may travel with those before it; else it waits for the next round. Default: it may. */
  readonly goesWith?: (others: readonly Request[], request: Request) => boolean;
}

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Takes the next round out of `lane`, in the order of arrival. The first one always goes. */
function takeRound<Request, Answer>(
  lane: Waiting<Request, Answer>[],
  goesWith: Coalescing<Request, Answer>['goesWith'],
): Waiting<Request, Answer>[] {
  if (goesWith === undefined) return lane.splice(0, membersMax);
  const round: Waiting<Request, Answer>[] = [];
  const requests: Request[] = [];
  const left = lane.splice(0).filter((waiting) => {
    if (round.length >= membersMax || (round.length > 0 && !goesWith(requests, waiting.request))) return true;
    round.push(waiting);
    requests.push(waiting.request);
    return false;
  });
  lane.push(...left);
  return round;
}

/** A round that failed is repeated one by one, so that a request fails by its own fault only. */
async function send<Request, Answer>(
  round: readonly Waiting<Request, Answer>[],
  run: Coalescing<Request, Answer>['run'],
): Promise<void> {
  try {
    const answers = await untilSilent(run(round.map(({ request }) => request)));
    if (answers.length !== round.length) throw new Error('A batch has as many answers as requests.');
    for (const [index, answer] of answers.entries()) round[index]?.resolve(answer);
  } catch (error) {
    // Whether a lost commit took effect each of them has to find out before anything is done again.
    if (round.length === 1 || failureOf(error) === 'lost') {
      for (const { reject } of round) reject(error);
      return;
    }
    for (const waiting of round) await send([waiting], run);
  }
}

/**
 * Lets requests for the same statement travel together. What is asked for while a round is under way goes out as one round
 * when that is answered; no clock is involved, so that on an idle service a request leaves at the end of its turn of the event
 * loop, and the busier it is the more of them share a statement, a commit and a lock.
 * @returns the function to ask by; it rejects with what a request fails with by itself, and with a lost connection
 */
export function coalesce<Request, Answer>(
  how: Coalescing<Request, Answer>,
): (request: Request) => Promise<Answer> {
  const lanes = new Map<string, Waiting<Request, Answer>[]>();
  const drain = async (key: string, lane: Waiting<Request, Answer>[]) => {
    await nextTurn();
    while (lane.length > 0) await send(takeRound(lane, how.goesWith), how.run);
    lanes.delete(key);
  };
  return (request) =>
    new Promise<Answer>((resolve, reject) => {
      const waiting = { request, resolve, reject };
      const key = how.keyOf?.(request) ?? '';
      const lane = lanes.get(key);
      if (lane !== undefined) lane.push(waiting);
      else {
        const opened = [waiting];
        lanes.set(key, opened);
        void drain(key, opened);
      }
    });
}
