import type { Turns } from './processor-wait.ts';

/** Shares of their work that walkers stand in line for a processor: below `roomy` there is room for more of them, above `crowded` there are too many. */
const shares = { roomy: 0.3, aimed: 0.4, crowded: 0.5 };
/** Work to judge by, in milliseconds for each walker: some turns of everybody else. */
const judgedMs = 45;
/** How many times as many there may be after each look, until there were too many for the first time, and then. */
const growth = { first: 3, later: 1.5 };

/** The most walkers that may be at work, and whether there were ever too many. */
export interface Limit {
  readonly walkers: number;
  readonly wasCrowded: boolean;
}

/** Bounds of a limit. */
export interface LimitBounds {
  readonly walkersMin: number;
  readonly walkersMax: number;
}

/**
 * The next limit, by the share of their work that walkers stood in line. While all processors are busy, a walker that is stopped takes none of
 * them with it: what remains is as many as the processors serve without most of them standing in line. There may be more again only when all
 * that may were at work and there was room.
 */
export function nextLimit(
  { walkers, wasCrowded }: Limit,
  { waitShare, isFull }: { readonly waitShare: number; readonly isFull: boolean },
  { walkersMin, walkersMax }: LimitBounds,
): Limit {
  const within = (count: number): number => Math.max(walkersMin, Math.min(walkersMax, count));
  if (waitShare > shares.crowded) {
    const served = Math.floor((walkers * (1 - waitShare)) / (1 - shares.aimed));
    return { walkers: within(Math.min(walkers, served)), wasCrowded: true };
  }
  if (waitShare >= shares.roomy || !isFull) return { walkers: within(walkers), wasCrowded };
  const grown = Math.ceil(walkers * (wasCrowded ? growth.later : growth.first));
  return { walkers: within(grown), wasCrowded };
}

/**
 * Who stands still and who goes on, when there is room for so many more (less than none: for so many too many), and one that may be at work
 * tells what it has done. While others stand still and there is no room, it changes places with the one that has done so longest, so that no tree
 * waits for the end of another.
 */
export function takeTurns({
  room,
  isAtWork,
  paused,
}: {
  readonly room: number;
  readonly isAtWork: boolean;
  readonly paused: number;
}): { readonly isPaused: boolean; readonly resumed: number } {
  if (isAtWork && room < 0) return { isPaused: true, resumed: 0 };
  if (isAtWork && room === 0 && paused > 0) return { isPaused: true, resumed: 1 };
  return { isPaused: false, resumed: Math.max(0, Math.min(room, paused)) };
}

/** Decides how many walkers may be at work at a time, so that they do not stand in each other's way. */
export interface WalkerLimit {
  walkers(): number;
  /** Learns from the work of one of `atWork` walkers that ended just now; `null` when nobody tells how long it stood in line. */
  learn(turns: Turns | null, atWork: number): void;
}

/** Starts with the fewest. There is no limit but the most where nobody tells how long walkers stand in line. */
export function createWalkerLimit(bounds: LimitBounds, now = (): number => performance.now()): WalkerLimit {
  let limit: Limit = { walkers: bounds.walkersMin, wasCrowded: false };
  let judgedAt = Number.NEGATIVE_INFINITY;
  let workMs = 0;
  let waitMs = 0;
  return {
    walkers: () => limit.walkers,
    learn(turns, atWork) {
      if (turns === null) {
        limit = { ...limit, walkers: bounds.walkersMax };
        return;
      }
      // What began before the last look was done by as many as there were then.
      if (now() - turns.workMs < judgedAt) return;
      workMs += turns.workMs;
      waitMs += turns.waitMs;
      if (workMs < judgedMs * Math.max(1, atWork)) return;
      limit = nextLimit(limit, { waitShare: waitMs / workMs, isFull: atWork >= limit.walkers }, bounds);
      judgedAt = now();
      workMs = 0;
      waitMs = 0;
    },
  };
}
