import assert from 'node:assert/strict';
import type { VolumeRoot } from '../folder-areas.ts';
import { createTimeSlice } from '../time-slice.ts';
import type { WalkEnd } from './crew.ts';
import { createLinkedFiles, readRows } from './linked-files.ts';
import { addTally, emptyTally, type Tally } from './progress.ts';
import { createStepSize } from './step-size.ts';
import { type LinkedFile, type Work, wholeTree } from './tree-part.ts';
import { closeWay, openWay, runPart, type TreeTask } from './tree-runner.ts';

const reportEveryMs = 250;

/** Tells whether a file counts with the names met just now, which make `total` of its names met in all. */
export type CountsLinked = (file: LinkedFile, total: bigint, justMet: bigint) => boolean;

/** How to pass over a tree. */
export interface PassOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gets totals of this pass, a few times a second at most. */
  readonly onProgress?: ((tally: Readonly<Tally>) => void) | undefined;
  readonly countsLinked?: CountsLinked;
}

/** What one pass over a tree came to. */
export interface Pass {
  readonly tally: Readonly<Tally>;
  /** Whether a purge found nothing. */
  readonly isEmpty: boolean;
  /** The first entry that could not be removed. */
  readonly failure: unknown;
}

interface Collected {
  readonly tally: Tally;
  failure: unknown;
  countLinked(file: LinkedFile, justMet: bigint): void;
}

function collect(countsLinked: CountsLinked | undefined): Collected {
  const tally = emptyTally();
  const linked = createLinkedFiles();
  return {
    tally,
    failure: undefined,
    countLinked(file, justMet) {
      if (!countsLinked?.(file, linked.add(file, justMet), justMet)) return;
      tally.files += 1;
      tally.bytes += Number(file.sizeBytes);
    },
  };
}

function workAlone(collected: Collected): Work {
  const stepSize = createStepSize();
  return {
    tally: collected.tally,
    countLinked: (file) => collected.countLinked(file, 1n),
    demand: () => 'none',
    takers: () => 0,
    enter: () => undefined,
    give: () => assert.fail('Nobody asked for a part.'),
    sample: stepSize.learn,
    stepEntries: stepSize.entries,
    fail(failure) {
      collected.failure ??= failure;
    },
  };
}

/** @returns whether a purge found nothing; `null` when the tree is too big */
async function passAlone(
  root: VolumeRoot,
  task: TreeTask,
  collected: Collected,
  limits: { readonly signal: AbortSignal | undefined; readonly aloneMs: number },
): Promise<boolean | null> {
  const slice = createTimeSlice(limits.signal);
  const startedAt = performance.now();
  const way = openWay(root, task);
  if (way === null) return true;
  const steps = runPart(way, task.verb, wholeTree, workAlone(collected));
  try {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      if (performance.now() - startedAt >= limits.aloneMs) return null;
      if (slice.isOver()) await slice.rest();
    }
  } finally {
    steps.return(false);
    closeWay(way);
  }
}

function passTogether(
  root: VolumeRoot,
  task: TreeTask,
  collected: Collected,
  { signal, onProgress }: PassOptions,
): Promise<WalkEnd> {
  let reportedAt = performance.now();
  return root.crew.run({
    task,
    signal,
    onTally(tally) {
      addTally(collected.tally, tally);
      if (performance.now() - reportedAt < reportEveryMs) return;
      reportedAt = performance.now();
      onProgress?.(collected.tally);
    },
    onLinked(rows) {
      for (const { file, names } of readRows(rows)) collected.countLinked(file, names);
    },
    onFailure(failure) {
      collected.failure ??= failure;
    },
  });
}

/**
 * Passes once over a whole tree: here while it is small, else with the walkers of the volume, and here again when
 * there are none. A measurement that changes hands starts again; what a purge has removed stays removed.
 * @throws the signal's reason as soon as it is aborted; what ended the pass early
 */
export async function passOver(root: VolumeRoot, task: TreeTask, options: PassOptions): Promise<Pass> {
  const { signal } = options;
  signal?.throwIfAborted();
  let collected = collect(options.countsLinked);
  const startAgain = (): void => {
    if (task.verb === 'measure') collected = collect(options.countsLinked);
  };
  const aloneMs = root.crew.aloneMs();
  let isEmpty = aloneMs === 0 ? null : await passAlone(root, task, collected, { signal, aloneMs });
  if (isEmpty === null) {
    startAgain();
    const end = await passTogether(root, task, collected, options);
    isEmpty = end === 'no_walkers' ? null : end.isEmpty;
  }
  if (isEmpty === null) {
    startAgain();
    isEmpty = await passAlone(root, task, collected, { signal, aloneMs: Number.POSITIVE_INFINITY });
  }
  return { tally: collected.tally, isEmpty: isEmpty === true, failure: collected.failure };
}
