import { fstatSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { borrowDirectory, type Directory } from '../handles/directory.ts';
import { evenLocked } from '../handles/directory-sync.ts';
import { enterDirectory } from '../handles/entry-name.ts';
import { createLinkedFiles } from './linked-files.ts';
import { createTurnClock, type TurnClock } from './processor-wait.ts';
import { emptyTally, type Tally } from './progress.ts';
import { createStepSize } from './step-size.ts';
import type { Demand, Work } from './tree-part.ts';
import { closeWay, openWay, runPart, type Way } from './tree-runner.ts';
import {
  latencyClasses,
  packFailure,
  type Report,
  volumeFd,
  type WalkerMessage,
  type WalkerOrder,
} from './walker-messages.ts';

// The main of a walker: a process that works off parts of trees with synchronous calls. Nothing else runs in it, so it
// may block, and its working directory is the directory it is at.

/** Longest time without hearing orders. */
const sliceMs = 4;
/** How often counts are told: soon the first time, for they say how many walkers the storage is worth. */
const reportMs = { first: 50, later: 200 };
/** Below whatever answers requests; a machine with nothing else to do does not notice. */
const niceness = 5;

type RunOrder = Extract<WalkerOrder, { readonly type: 'run' }>;

/** What the orders that come during a run change. */
interface Standing {
  demand: Demand;
  takers: number;
  /** The walk that is worked for; `null` when it was stopped. */
  walk: number | null;
  /** The way to the last part got of each tree, until its walk ends: the next one is reached by a few calls less. */
  readonly ways: Map<number, Way>;
  /** When counts are told next, by the clock of this process. */
  reportAt: number;
  readonly clock: TurnClock;
  isPaused: boolean;
  /** Wakes it from its pause. */
  goOn: (() => void) | undefined;
}

function send(message: WalkerMessage): void {
  // Whoever started it may just have died; the disconnect, which ends this process, says so.
  process.send?.(message, undefined, undefined, () => undefined);
}

function createReport(
  walk: number,
  clock: TurnClock,
): {
  readonly work: Pick<Work, 'tally' | 'countLinked' | 'sample' | 'stepEntries'>;
  take(): Report;
} {
  const tally: Tally = emptyTally();
  const linked = createLinkedFiles();
  const stepSize = createStepSize();
  let latencies: number[] = new Array(latencyClasses).fill(0);
  const take = (): Report => {
    const rows = linked.takeRows();
    const report = {
      tally: { ...tally },
      linked: rows.length === 0 ? null : rows,
      latencies,
      turns: clock.take(),
    };
    Object.assign(tally, emptyTally());
    latencies = new Array(latencyClasses).fill(0);
    return report;
  };
  return {
    work: {
      tally,
      countLinked(file) {
        linked.add(file, 1n);
        if (linked.isFull()) send({ type: 'report', walk, report: take() });
      },
      stepEntries: stepSize.entries,
      sample(ms) {
        stepSize.learn(ms);
        const index = Math.min(latencyClasses - 1, Math.floor(Math.log2(Math.max(1, ms * 1000))));
        latencies[index] = (latencies[index] ?? 0) + 1;
      },
    },
    take,
  };
}

/** The way into the tree; `null` when it is not there any more, or its walk was stopped. */
function wayInto(volume: Directory, standing: Standing, { walk, task }: RunOrder): Way | null {
  if (standing.walk !== walk) return null;
  const known = standing.ways.get(walk);
  if (known !== undefined) return known;
  const way = openWay(volume, task);
  if (way !== null) standing.ways.set(walk, way);
  return way;
}

/** Stands still until it may go on, or what it works for was stopped. */
async function pause(standing: Standing, walk: number): Promise<void> {
  while (standing.isPaused && standing.walk === walk) {
    await new Promise<void>((resolve) => {
      standing.goOn = resolve;
    });
  }
  standing.goOn = undefined;
  standing.clock.start();
}

async function runSteps(volume: Directory, standing: Standing, order: RunOrder): Promise<void> {
  const { walk, task, part } = order;
  // What others ask for comes right behind the order; heard first, half of a tree is given away in the first step.
  await setImmediate();
  const way = wayInto(volume, standing, order);
  if (way === null) {
    send({ type: 'done', walk, isEmpty: true, report: null });
    return;
  }
  const report = createReport(walk, standing.clock);
  const work: Work = {
    ...report.work,
    demand: () => standing.demand,
    takers: () => standing.takers,
    enter: (directory) => evenLocked(directory, () => directory.usingSync(enterDirectory)),
    give(given) {
      standing.demand = 'none';
      send({ type: 'parts', walk, parts: given });
    },
    fail: (error) => send({ type: 'failure', walk, failure: packFailure(error), isFatal: false }),
  };
  const steps = runPart(way, task.verb, part, work);
  let turnedAt = performance.now();
  if (standing.reportAt === 0) standing.reportAt = turnedAt + reportMs.first;
  standing.clock.start();
  let step = steps.next();
  for (; !step.done && standing.walk === walk; step = steps.next()) {
    const now = performance.now();
    if (now - turnedAt < sliceMs) continue;
    if (now > standing.reportAt) {
      send({ type: 'report', walk, report: report.take() });
      standing.reportAt = now + reportMs.later;
    }
    await setImmediate();
    if (standing.isPaused) await pause(standing, walk);
    turnedAt = performance.now();
  }
  if (!step.done) steps.return(false);
  send({ type: 'done', walk, isEmpty: step.value === true, report: report.take() });
}

async function run(volume: Directory, standing: Standing, order: RunOrder): Promise<void> {
  const { walk } = order;
  try {
    await runSteps(volume, standing, order);
  } catch (error) {
    send({ type: 'failure', walk, failure: packFailure(error), isFatal: true });
    send({ type: 'done', walk, isEmpty: false, report: null });
  }
}

function leave(standing: Standing, walk: number): void {
  const way = standing.ways.get(walk);
  if (way !== undefined) closeWay(way);
  standing.ways.delete(walk);
}

function hear(volume: Directory, standing: Standing, order: WalkerOrder): void {
  switch (order.type) {
    case 'run':
      standing.walk = order.walk;
      standing.demand = 'none';
      standing.isPaused = false;
      void run(volume, standing, order);
      break;
    case 'demand':
      standing.demand = order.demand;
      standing.takers = order.takers;
      break;
    case 'stop':
      if (standing.walk === order.walk) standing.walk = null;
      leave(standing, order.walk);
      standing.goOn?.();
      break;
    case 'pause':
      standing.isPaused = true;
      break;
    case 'resume':
      standing.isPaused = false;
      standing.goOn?.();
      break;
  }
}

function main(): void {
  // Nobody but root may go back below what it was started with.
  setPriority(Math.max(getPriority(), niceness));
  // Whoever started it decides when it ends, also after a Ctrl-C that reaches every process of a terminal.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.on('disconnect', () => process.exit());
  const { dev } = fstatSync(volumeFd, { bigint: true });
  const volume = borrowDirectory(volumeFd, dev);
  const standing: Standing = {
    demand: 'none',
    takers: 0,
    walk: null,
    ways: new Map(),
    reportAt: 0,
    clock: createTurnClock(),
    isPaused: false,
    goOn: undefined,
  };
  process.on('message', (order: WalkerOrder) => hear(volume, standing, order));
}

main();
