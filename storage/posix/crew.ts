import type { Directory } from './directory.ts';
import { volumeUnavailable } from './errno.ts';
import { createHelperCount, type HelperCount } from './helper-count.ts';
import { type HelperMessage, unpackFailure } from './helper-messages.ts';
import { type HelperProcess, startHelper } from './helper-process.ts';
import type { Tally } from './progress.ts';
import { type Demand, type TreePart, wholeTree } from './tree-part.ts';
import type { TreeTask } from './tree-runner.ts';

/** How long helpers outlive the last walk. */
const idleMs = 30_000;

/** Slices that a tree gets before it is left to helpers, by whether there are any. */
export interface SlicesAlone {
  readonly warm: number;
  readonly cold: number;
}

// Most trees are small, and to start a helper takes as long as to look at a few thousand entries.
const defaultSlices: SlicesAlone = { warm: 1, cold: 8 };

/** One pass over a tree, and who hears of what is done. */
export interface TreeWalk {
  readonly task: TreeTask;
  readonly signal: AbortSignal | undefined;
  readonly onTally: (tally: Tally) => void;
  readonly onLinked: (rows: BigUint64Array) => void;
  /** One entry failed; the pass goes on. */
  readonly onFailure: (failure: unknown) => void;
}

/** How a pass ended: whether a purge found nothing, or that helpers died or could not be started. */
export type WalkEnd = { readonly isEmpty: boolean } | 'no_helpers';

/**
 * Processes that walk trees of one volume, started with the first tree and ended when there was none for a while. Walks
 * take turns, part by part; helpers are asked for parts of what they have as long as others have nothing to do.
 */
export interface Crew {
  /** Slices of this event loop that a tree gets before it is left to the helpers; more while none is there yet. */
  slicesAlone(): number;
  /**
   * Passes over a whole tree. Rejects at once when it is aborted; the helpers end their parts soon after.
   * @throws what ended the pass early
   */
  run(walk: TreeWalk): Promise<WalkEnd>;
  /** Ends everything. */
  close(): Promise<void>;
}

interface Running {
  readonly walk: TreeWalk;
  readonly waiting: TreePart[];
  /** Parts that helpers have. */
  taken: number;
  isEmpty: boolean;
  readonly resolve: (end: WalkEnd) => void;
  readonly reject: (failure: unknown) => void;
}

interface Helper {
  readonly process: HelperProcess;
  /** The walk it is at. */
  walk: number | null;
  /** What it was asked for and has not given yet. */
  asked: Demand;
}

interface State {
  readonly root: Directory;
  readonly count: HelperCount;
  readonly helpers: Set<Helper>;
  /** In the order in which they get their turn. */
  readonly walks: Map<number, Running>;
  lastWalk: number;
  idling: NodeJS.Timeout | undefined;
}

function endWalk(crew: State, id: number): Running | undefined {
  const running = crew.walks.get(id);
  if (running === undefined) return undefined;
  crew.walks.delete(id);
  for (const helper of crew.helpers) {
    if (helper.walk === id) helper.process.order({ type: 'stop', walk: id });
  }
  if (crew.walks.size === 0) rest(crew);
  return running;
}

/** Nothing to do: the helpers neither keep the process alive nor stay for ever. */
function rest(crew: State): void {
  for (const { process } of crew.helpers) process.setNeeded(false);
  crew.idling = setTimeout(() => void dismiss(crew), idleMs).unref();
}

function wake(crew: State): void {
  clearTimeout(crew.idling);
  for (const { process } of crew.helpers) process.setNeeded(true);
}

async function dismiss(crew: State): Promise<void> {
  clearTimeout(crew.idling);
  const helpers = [...crew.helpers];
  crew.helpers.clear();
  await Promise.all(helpers.map(({ process }) => process.end()));
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

function handOut(crew: State): void {
  for (const helper of crew.helpers) {
    if (helper.walk !== null) continue;
    const next = nextPart(crew);
    if (next === null) break;
    const { id, running, part } = next;
    running.taken += 1;
    helper.walk = id;
    helper.asked = 'none';
    helper.process.order({ type: 'run', walk: id, task: running.walk.task, part });
  }
  ask(crew);
}

/** Asks for parts until each helper has one more to go on with. */
function ask(crew: State): void {
  const helpers = [...crew.helpers];
  const idle = helpers.filter(({ walk }) => walk === null).length;
  let waiting = 0;
  for (const running of crew.walks.values()) waiting += running.waiting.length;
  if (waiting >= helpers.length) return;
  const demand = idle > 0 ? 'at_once' : 'soon';
  for (const helper of helpers) {
    if (helper.walk === null || helper.asked === 'at_once' || helper.asked === demand) continue;
    helper.asked = demand;
    helper.process.order({ type: 'demand', demand });
  }
}

function finishPart(crew: State, helper: Helper, isEmpty: boolean): void {
  const id = helper.walk;
  helper.walk = null;
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

function hear(crew: State, helper: Helper, message: HelperMessage): void {
  const running = crew.walks.get(message.walk);
  switch (message.type) {
    case 'tally':
      running?.walk.onTally(message.tally);
      if (message.linked.length > 0) running?.walk.onLinked(message.linked);
      crew.count.learn(message.latencies);
      if (running !== undefined) strengthen(crew);
      break;
    case 'part':
      helper.asked = 'none';
      running?.waiting.push(message.part);
      handOut(crew);
      break;
    case 'failure':
      if (message.isFatal) endWalk(crew, message.walk)?.reject(unpackFailure(message.failure));
      else running?.walk.onFailure(unpackFailure(message.failure));
      break;
    case 'done':
      finishPart(crew, helper, message.isEmpty);
      break;
  }
}

/** What the helper was at is not known to be done, so its walk ends. */
function lose(crew: State, helper: Helper): void {
  if (!crew.helpers.delete(helper)) return;
  if (helper.walk !== null) endWalk(crew, helper.walk)?.resolve('no_helpers');
  if (crew.helpers.size > 0) return;
  for (const id of [...crew.walks.keys()]) endWalk(crew, id)?.resolve('no_helpers');
}

/** Starts helpers until there are as many as wanted. */
function strengthen(crew: State): void {
  const wanted = crew.count.wanted();
  if (crew.helpers.size >= wanted) return;
  crew.root.usingSync((fd) => {
    while (crew.helpers.size < wanted) {
      const process = startHelper(fd, {
        message: (message) => hear(crew, helper, message),
        end: () => lose(crew, helper),
      });
      const helper: Helper = { process, walk: null, asked: 'none' };
      crew.helpers.add(helper);
    }
  });
  handOut(crew);
}

/** Makes a crew without helpers, which will have the root of the volume from this process. */
export function createCrew(root: Directory, slices: SlicesAlone = defaultSlices): Crew {
  const crew: State = {
    root,
    count: createHelperCount(),
    helpers: new Set(),
    walks: new Map(),
    lastWalk: 0,
    idling: undefined,
  };
  return {
    slicesAlone: () => (crew.helpers.size > 0 ? slices.warm : slices.cold),
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
      crew.walks.set(id, { walk, waiting: [wholeTree], taken: 0, isEmpty: true, resolve, reject });
      onAbort = () => endWalk(crew, id)?.reject(signal?.reason);
      signal?.addEventListener('abort', onAbort);
      strengthen(crew);
      handOut(crew);
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  }
}
