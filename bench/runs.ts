import { type BenchRow, median } from './row.ts';

function keyOf({ id, work }: BenchRow): string {
  return `${id} ${work}`;
}

/** One row of several: the one in the middle stands for all, and the goal is met when each of them meets it. */
function middleOf(rows: readonly BenchRow[]): BenchRow | undefined {
  const figures = rows.flatMap(({ measured }) => (measured === null ? [] : [measured]));
  if (figures.length < 2) return rows.find(({ measured }) => measured !== null) ?? rows[0];
  const middle = median(figures);
  const distance = ({ measured }: BenchRow) =>
    measured === null ? Number.POSITIVE_INFINITY : Math.abs(measured - middle);
  const closest = rows.toSorted((one, other) => distance(one) - distance(other))[0];
  // What missed the goal by most tells by how much it is missed.
  const worst = rows.toSorted((one, other) => (other.missedBy ?? 0) - (one.missedBy ?? 0))[0];
  if (closest === undefined) return undefined;
  const { missedBy: _own, ...row } = closest;
  return {
    ...row,
    measured: middle,
    met: row.met === null ? null : rows.every(({ met }) => met === true),
    ...(worst?.missedBy === undefined ? {} : { missedBy: worst.missedBy }),
    ...(worst?.tried === undefined ? {} : { tried: worst.tried }),
    runs: figures,
  };
}

/** Makes one set of rows of those of several runs, in the order of the first. */
export function combineRuns(runs: readonly (readonly BenchRow[])[]): BenchRow[] {
  const [first = []] = runs;
  if (runs.length < 2) return [...first];
  return first.flatMap((row) => {
    const same = runs.flatMap((rows) => rows.filter((other) => keyOf(other) === keyOf(row)).slice(0, 1));
    return middleOf(same) ?? [];
  });
}
