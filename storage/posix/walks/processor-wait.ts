import fs from 'node:fs';

/** Work of a walker, in milliseconds: how long it took, and how much of that it stood in line for a processor. */
export interface Turns {
  readonly workMs: number;
  readonly waitMs: number;
}

/** Tells how much of its work a thread stood in line for a processor. */
export interface TurnClock {
  /** Work begins, or goes on. */
  start(): void;
  /** The work since `start`, and starts again; `null` where the kernel does not tell. */
  take(): Turns | null;
}

/** The kernel's account of the first thread of a process: nanoseconds run, nanoseconds waited while it could run, turns. */
const accountPath = '/proc/self/schedstat';
const accountBytes = 128;

/** Milliseconds waited, from the content of a `schedstat` of /proc; `null` when it is no such thing. */
export function parseWaitMs(account: string): number | null {
  const match = /^\d+ (\d+) \d+\n?$/.exec(account);
  return match === null ? null : Number(match[1]) / 1e6;
}

/**
 * Reads the account of the thread it is called in, which has to be the first one of its process. What a limit of the container holds back
 * counts as waiting, too. A kernel without such an account, or a /proc without it, is no failure.
 */
export function createTurnClock(path = accountPath): TurnClock {
  const buffer = Buffer.alloc(accountBytes);
  let fd: number | null = null;
  try {
    fd = fs.openSync(path, 'r');
  } catch {
    // Nothing is known then.
  }
  const waitedMs = (): number | null => {
    if (fd === null) return null;
    try {
      return parseWaitMs(buffer.toString('latin1', 0, fs.readSync(fd, buffer, 0, accountBytes, 0)));
    } catch {
      return null;
    }
  };
  let startedAt = 0;
  let waitedBefore: number | null = null;
  const start = (): void => {
    startedAt = performance.now();
    waitedBefore = waitedMs();
  };
  return {
    start,
    take() {
      const before = waitedBefore;
      const workMs = performance.now() - startedAt;
      start();
      if (before === null || waitedBefore === null) return null;
      return { workMs, waitMs: Math.max(0, waitedBefore - before) };
    },
  };
}
