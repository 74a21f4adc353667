import { volumeUnavailable } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import type { Tally } from './progress.ts';
import { type Demand, type TreePart, wholeTree } from './tree-part.ts';
import type { TreeTask } from './tree-runner.ts';
import { createWalkerCount, type WalkerCount, walkersMax, walkersMin } from './walker-count.ts';
import { createWalkerLimit, takeTurns, type WalkerLimit } from './walker-limit.ts';
import { type Report, unpackFailure, type WalkerMessage } from './walker-messages.ts';
import { startWalker, type WalkerProcess } from './walker-process.ts';

/** How long walkers outlive the last walk. */
const idleMs = 30_000;

/** Milliseconds that a tree gets in this process before it is left to walkers, by whether there are any. */
export interface AloneMs {
  readonly warm: number;
  readonly cold: number;
}

// Most trees are small, and to start a walker takes as long as to look at a few thousand entries. Walkers that are there have
// nothing to do meanwhile, and are twice as quick.
const usualMs: AloneMs = { warm: 1.5, cold: 40 };

/** One pass over a tree, and who hears of what is done. */
export interface TreeWalk {
  readonly task: TreeTask;
  readonly signal: AbortSignal | undefined;
  readonly onTally: (tally: Tally) => void;
  readonly onLinked: (rows: BigUint64Array) => void;
  /** One entry failed; the pass goes on. */
  readonly onFailure: (failure: unknown) => void;
}

/** How a pass ended: whether a purge found nothing, or that walkers died or could not be started. */
export type WalkEnd = { readonly isEmpty: boolean } | 'no_walkers';

/**
 * Processes that walk trees of one volume, started with the first tree and ended when there was none for a while. Walks
 * take turns, part by part; walkers are asked for parts of what they have as long as others have nothing to do.
 */
export interface Crew {
  /**
   * Milliseconds that a tree gets in this process before it is left to the walkers; more while none is there yet, and none
   * where calls wait for storage and would keep the event loop waiting as well.
   */
  aloneMs(): number;
  /**
   * Passes over a whole tree. Rejects at once when it is aborted; the walkers end their parts soon after.
   * @throws what ended the pass early
   */
  run(walk: TreeWalk): Promise<WalkEnd>;
  /** Ends everything. */
  close(): Promise<void>;
}

interface Running {
  readonly walk: TreeWalk;
  readonly waiting: TreePart[];
  /** Parts that walkers have. */
  taken: number;
  /** Who had a part; they keep the root of the tree open. */
  readonly walkers: Set<Walker>;
  isEmpty: boolean;
  readonly resolve: (end: WalkEnd) => void;
  readonly reject: (failure: unknown) => void;
}

interface Walker {
  readonly process: WalkerProcess;
  /** The walk it is at. */
  walk: number | null;
  /** What it was asked for and has not given yet. */
  asked: Demand;
}

interface State {
  readonly root: Directory;
  readonly count: WalkerCount;
  readonly limit: WalkerLimit;
  /** Those that came first get work first: what has run the longest is the quickest. */
  readonly walkers: Set<Walker>;
  /** Those that stand still with what they are at, since there are too many for the processors; the longest first. */
  readonly paused: Set<Walker>;
  /** In the order in which they get their turn. */
  readonly walks: Map<number, Running>;
  lastWalk: number;
  idling: NodeJS.Timeout | undefined;
}

function endWalk(crew: State, id: number): Running | undefined {
  const running = crew.walks.get(id);
  if (running === undefined) return undefined;
  crew.walks.delete(id);
  for (const { process } of running.walkers) process.order({ type: 'stop', walk: id });
  if (crew.walks.size === 0) rest(crew);
  return running;
}

/** Nothing to do: the walkers neither keep the process alive nor stay for ever. */
function rest(crew: State): void {
  for (const { process } of crew.walkers) process.setNeeded(false);
  crew.idling = setTimeout(() => void dismiss(crew), idleMs).unref();
}

function wake(crew: State): void {
  clearTimeout(crew.idling);
  for (const { process } of crew.walkers) process.setNeeded(true);
}

async function dismiss(crew: State): Promise<void> {
  clearTimeout(crew.idling);
  const walkers = [...crew.walkers];
  crew.walkers.clear();
  crew.paused.clear();
  await Promise.all(walkers.map(({ process }) => process.end()));
}

/** The next part, taking turns between walks. */
function nextPart(crew: State): { readonly id: number; readonly running: Running; part: TreePart } | null {
  for (const [id, running] of crew.walks) {
    const part = running.waiting.shift();
    if (part === undefined) continue;
    crew.walks.delete(id);
    crew.walks.set(id, running);
    return { id, running, part };
  }
  return null;
}

/** How many there may be: what the storage is worth, as far as the processors serve them. */
function allowed({ count, limit }: State): number {
  return Math.min(count.wanted(), limit.walkers());
}

function countAtWork({ walkers, paused }: State): number {
  let count = -paused.size;
  for (const { walk } of walkers) if (walk !== null) count += 1;
  return count;
}

function resume(crew: State, walker: Walker): void {
  if (!crew.paused.delete(walker)) return;
  walker.process.order({ type: 'resume' });
}

function pause(crew: State, walker: Walker): void {
  crew.paused.add(walker);
  walker.process.order({ type: 'pause' });
}

/** Pauses who has just told its counts, if it has to make room, and lets go on who may: see {@link takeTurns}. */
function balance(crew: State, teller: Walker | undefined): void {
  const isAtWork = teller !== undefined && teller.walk !== null && !crew.paused.has(teller);
  const room = allowed(crew) - countAtWork(crew);
  const { isPaused, resumed } = takeTurns({ room, isAtWork, paused: crew.paused.size });
  for (const walker of [...crew.paused].slice(0, resumed)) resume(crew, walker);
  if (isPaused && teller !== undefined) pause(crew, teller);
}

function handOut(crew: State): void {
  let room = allowed(crew) - countAtWork(crew);
  for (const walker of crew.walkers) {
    if (walker.walk !== null) continue;
    if (room <= 0) break;
    const next = nextPart(crew);
    if (next === null) break;
    const { id, running, part } = next;
    running.taken += 1;
    running.walkers.add(walker);
    walker.walk = id;
    walker.asked = 'none';
    room -= 1;
    walker.process.order({ type: 'run', walk: id, task: running.walk.task, part });
  }
  // After what waits, which may be all of a small tree behind a big one: those that stand still get their turn in any case.
  balance(crew, undefined);
  ask(crew);
}

/**
 * Asks for parts until each walker has one more to go on with. Each of those who have nothing gets one at once: by halves, the last
 * of many would begin when half of a small tree is gone.
 */
function ask(crew: State): void {
  const atWork = countAtWork(crew);
  const most = Math.min(crew.walkers.size, allowed(crew));
  const idle = Math.min(most - atWork, crew.walkers.size - crew.paused.size - atWork);
  let waiting = 0;
  for (const running of crew.walks.values()) waiting += running.waiting.length;
  // Those that are paused have something.
  if (waiting + crew.paused.size >= most) return;
  const demand = idle > 0 ? 'at_once' : 'soon';
  const takers = Math.max(1, Math.ceil(idle / atWork));
  for (const walker of crew.walkers) {
    if (walker.walk === null || crew.paused.has(walker)) continue;
    if (walker.asked === 'at_once' || walker.asked === demand) continue;
    walker.asked = demand;
    walker.process.order({ type: 'demand', demand, takers });
  }
}

function finishPart(crew: State, walker: Walker, isEmpty: boolean): void {
  const id = walker.walk;
  walker.walk = null;
  crew.paused.delete(walker);
  const running = id === null ? undefined : crew.walks.get(id);
  if (id !== null && running !== undefined) {
    running.taken -= 1;
    running.isEmpty &&= isEmpty;
    if (running.taken === 0 && running.waiting.length === 0) {
      endWalk(crew, id)?.resolve({ isEmpty: running.isEmpty });
    }
  }
  handOut(crew);
}

function note(crew: State, running: Running | undefined, report: Report): void {
  const { tally, linked, latencies, turns } = report;
  running?.walk.onTally(tally);
  if (linked !== null) running?.walk.onLinked(linked);
  crew.count.learn(latencies);
  crew.limit.learn(turns, countAtWork(crew));
  if (running !== undefined) strengthen(crew);
}

function hear(crew: State, walker: Walker, message: WalkerMessage): void {
  const running = crew.walks.get(message.walk);
  switch (message.type) {
    case 'report':
      note(crew, running, message.report);
      balance(crew, walker);
      handOut(crew);
      break;
    case 'parts':
      walker.asked = 'none';
      running?.waiting.push(...message.parts);
      handOut(crew);
      break;
    case 'failure':
      if (message.isFatal) endWalk(crew, message.walk)?.reject(unpackFailure(message.failure));
      else running?.walk.onFailure(unpackFailure(message.failure));
      break;
    case 'done':
      if (message.report !== null) note(crew, running, message.report);
      finishPart(crew, walker, message.isEmpty);
      break;
  }
}

/** What the walker was at is not known to be done, so its walk ends. */
function lose(crew: State, walker: Walker): void {
  if (!crew.walkers.delete(walker)) return;
  crew.paused.delete(walker);
  if (walker.walk !== null) endWalk(crew, walker.walk)?.resolve('no_walkers');
  if (crew.walkers.size === 0) {
    for (const id of [...crew.walks.keys()]) endWalk(crew, id)?.resolve('no_walkers');
  }
  // Others may have been paused for it.
  handOut(crew);
}

/** Starts walkers until there are as many as there may be. */
function strengthen(crew: State): void {
  const wanted = allowed(crew);
  if (crew.walkers.size >= wanted) return;
  crew.root.usingSync((fd) => {
    while (crew.walkers.size < wanted) {
      const process = startWalker(fd, {
        message: (message) => hear(crew, walker, message),
        end: () => lose(crew, walker),
      });
      const walker: Walker = { process, walk: null, asked: 'none' };
      crew.walkers.add(walker);
    }
  });
  handOut(crew);
}

/** Makes a crew without walkers, which will have the root of the volume from this process. */
export function createCrew(
  root: Directory,
  alone: AloneMs = usualMs,
  limit = createWalkerLimit({ walkersMin, walkersMax }),
): Crew {
  const crew: State = {
    root,
    count: createWalkerCount(),
    limit,
    walkers: new Set(),
    paused: new Set(),
    walks: new Map(),
    lastWalk: 0,
    idling: undefined,
  };
  return {
    aloneMs() {
      if (crew.walkers.size === 0) return alone.cold;
      return crew.count.isFar() ? 0 : alone.warm;
    },
    run: (walk) => run(crew, walk),
    async close() {
      for (const id of [...crew.walks.keys()]) {
        endWalk(crew, id)?.reject(volumeUnavailable(new Error('The volume was closed.')));
      }
      await dismiss(crew);
    },
  };
}

async function run(crew: State, walk: TreeWalk): Promise<WalkEnd> {
  const { signal } = walk;
  signal?.throwIfAborted();
  if (crew.walks.size === 0) wake(crew);
  crew.lastWalk += 1;
  const id = crew.lastWalk;
  let onAbort: (() => void) | undefined;
  try {
    return await new Promise<WalkEnd>((resolve, reject) => {
      crew.walks.set(id, {
        walk,
        waiting: [wholeTree],
        taken: 0,
        walkers: new Set(),
        isEmpty: true,
        resolve,
        reject,
      });
      onAbort = () => endWalk(crew, id)?.reject(signal?.reason);
      signal?.addEventListener('abort', onAbort);
      strengthen(crew);
      handOut(crew);
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  }
}
