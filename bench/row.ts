/** One figure of a run beside its goal. Ids are those of the goals, such as `T3`, with a case after a slash. */
export interface BenchRow {
  readonly id: string;
  /** What was done, in words. */
  readonly work: string;
  /** As people read it, such as `≥ 0.85`; empty for a figure that is only told. */
  readonly goal: string;
  /** `null` when it could not be measured; `note` says why. */
  readonly measured: number | null;
  /** Of `measured`: `×` for a ratio, `ms`, `MiB`, `1/s`. */
  readonly unit: string;
  /** `null` for a figure without a goal, or one that could not be measured. */
  readonly met: boolean | null;
  /** By how many percent of the goal it is missed; absent when it is met. */
  readonly missedBy?: number;
  /** Single figures behind a ratio, or why there is none. */
  readonly note?: string;
  /** For a goal that is missed: what was tried, in one sentence. */
  readonly tried?: string;
  /** What each of several runs measured, in their order; `measured` is the middle one, and `met` tells of all of them. */
  readonly runs?: readonly number[];
  /** The suite it came from; added by who runs it. */
  readonly suite?: string;
}

/** A bound that a figure is held to. */
export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** By how many percent of `goal` a figure misses it; 0 when it is met. */
function missedPercent(measured: number, { atLeast, atMost }: Goal): number {
  const parts = [
    atLeast === undefined ? 0 : (atLeast - measured) / atLeast,
    atMost === undefined ? 0 : (measured - atMost) / atMost,
  ];
  return Math.max(0, ...parts) * 100;
}

/** Makes a row from a figure and the bound it is held to. */
export function toRow(
  figure: {
    readonly id: string;
    readonly work: string;
    readonly measured: number;
    readonly unit: string;
    readonly note?: string;
  },
  goal: Goal = {},
): BenchRow {
  const { atLeast, atMost } = goal;
  const words = [
    ...(atLeast === undefined ? [] : [`≥ ${atLeast}`]),
    ...(atMost === undefined ? [] : [`≤ ${atMost}`]),
  ];
  const goalWords = words.join(', ');
  if (words.length === 0) return { ...figure, goal: goalWords, met: null };
  const missedBy = missedPercent(figure.measured, goal);
  return missedBy === 0
    ? { ...figure, goal: goalWords, met: true }
    : { ...figure, goal: goalWords, met: false, missedBy: Number(missedBy.toPrecision(2)) };
}

/** Makes the row of something that could not be measured here, such as a peer that is not installed. */
export function missingRow(row: {
  readonly id: string;
  readonly work: string;
  readonly goal: string;
  readonly note: string;
}): BenchRow {
  return { ...row, measured: null, unit: '', met: null };
}

/** The middle of the values; between the two middle ones when their number is even. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that the part `q` (0–1) of the values does not exceed, interpolated. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) throw new Error('There is no median of nothing.');
  return below + (above - below) * (at - Math.floor(at));
}

/**
 * Runs the contestants in turn, `rounds` times, after one round that does not count; the order is reversed every other
 * round. Those in `seldom`, for which a run takes long and nothing has to be warm, run in every other round only, and not in the one
 * that does not count. @returns what the runs of each answered (milliseconds, or whatever it measures)
 */
export async function interleave<K extends string>(
  contestants: ReadonlyMap<K, () => Promise<number>>,
  rounds: number,
  seldom: ReadonlySet<K> = new Set(),
): Promise<(name: K) => readonly number[]> {
  const results = new Map<K, number[]>();
  for (let round = 0; round <= rounds; round += 1) {
    const isOdd = round % 2 === 1;
    const present = [...contestants].filter(([name]) => isOdd || !seldom.has(name));
    const turn = isOdd ? present.reverse() : present;
    for (const [name, run] of turn) {
      const value = await run();
      if (round > 0) results.set(name, [...(results.get(name) ?? []), value]);
    }
  }
  return (name) => results.get(name) ?? [];
}
