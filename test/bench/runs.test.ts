import { expect, it } from 'vitest';
import { toTable } from '../../bench/report.ts';
import { toRow } from '../../bench/row.ts';
import { combineRuns } from '../../bench/runs.ts';

const bound = { atLeast: 10 };
const rowOf = (measured: number, id = 'T1') => toRow({ id, work: 'work', measured, unit: '1/s' }, bound);

it('says by how much a goal is missed', () => {
  expect(rowOf(7.5)).toMatchObject({ met: false, missedBy: 25, goal: '≥ 10' });
  expect(toRow({ id: 'T1', work: 'work', measured: 15, unit: 'ms' }, { atMost: 10 })).toMatchObject({
    met: false,
    missedBy: 50,
  });
  expect(rowOf(10)).not.toHaveProperty('missedBy');
  expect(toRow({ id: 'T1', work: 'work', measured: 1, unit: 'ms' })).toMatchObject({ met: null, goal: '' });
});

it('leaves a single run as it is', () => {
  const rows = [rowOf(9), rowOf(12, 'T2')];
  expect(combineRuns([rows])).toEqual(rows);
});

it('shows the middle of several runs, and a goal as met when all of them met it', () => {
  const combined = combineRuns([
    [rowOf(12), rowOf(30, 'T2')],
    [rowOf(8), rowOf(20, 'T2')],
    [rowOf(11), rowOf(10, 'T2')],
  ]);
  expect(combined).toEqual([
    { ...rowOf(11), met: false, missedBy: 20, runs: [12, 8, 11] },
    { ...rowOf(20, 'T2'), runs: [30, 20, 10] },
  ]);
});

it('keeps what only some runs could measure', () => {
  const missing = {
    id: 'T1',
    work: 'work',
    goal: '≥ 10',
    measured: null,
    unit: '',
    met: null,
    note: 'absent',
  };
  expect(combineRuns([[missing], [rowOf(11)]])).toEqual([rowOf(11)]);
  expect(combineRuns([[missing], [missing]])).toEqual([missing]);
});

it('tells in the table what was tried', () => {
  const [row] = combineRuns([[rowOf(8)], [rowOf(9)]]);
  const table = toTable(row === undefined ? [] : [{ ...row, tried: 'much' }]);
  expect(table).toContain('| missed by 20 % | runs: 8.00, 9.00; tried: much |');
});
