import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { BenchRow } from './row.ts';

/** The outcome of a run, as it is kept in `bench/results/`. */
export interface BenchReport {
  readonly date: string;
  /** Short id of the commit that was measured, with `+` when the checkout differed from it. */
  readonly commit: string;
  readonly node: string;
  readonly system: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Load average over a minute before and after; above the number of cores the figures are doubtful. */
  readonly load: { readonly before: number; readonly after: number };
  readonly isQuick: boolean;
  readonly suites: readonly string[];
  readonly rows: readonly BenchRow[];
}

function git(root: string, ...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}

/** Completes the rows of a run with what has to be known to judge them. */
export function makeReport(
  root: string,
  run: {
    readonly rows: readonly BenchRow[];
    readonly suites: readonly string[];
    readonly isQuick: boolean;
    readonly loadBefore: number;
  },
): BenchReport {
  const isChanged =
    git(root, 'status', '--porcelain', '--', '.', ':!bench/results', ':!docs/BENCHMARKS.md') !== '';
  return {
    date: new Date().toISOString(),
    commit: `${git(root, 'rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`,
    node: process.version,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    load: { before: run.loadBefore, after: os.loadavg()[0] ?? 0 },
    isQuick: run.isQuick,
    suites: run.suites,
    rows: run.rows,
  };
}

function withDigits(measured: number): string {
  const digits = Math.abs(measured) >= 100 ? 0 : Math.abs(measured) >= 10 ? 1 : 2;
  return measured.toFixed(digits);
}

/** A figure with as many digits as it is worth. */
export function formatFigure(row: BenchRow): string {
  return row.measured === null ? 'not measured' : `${withDigits(row.measured)} ${row.unit}`;
}

function verdict(row: BenchRow): string {
  if (row.met === null) return '';
  if (row.met) return 'met';
  return row.missedBy === undefined ? 'missed' : `missed by ${row.missedBy} %`;
}

function noteOf(row: BenchRow): string {
  const words = [
    ...(row.note === undefined ? [] : [row.note]),
    ...(row.runs === undefined
      ? []
      : [`runs: ${row.runs.map((measured) => withDigits(measured)).join(', ')}`]),
    ...(row.tried === undefined ? [] : [`tried: ${row.tried}`]),
  ];
  return words.join('; ');
}

/** The rows as a Markdown table. */
export function toTable(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [row.id, row.work, row.goal, formatFigure(row), verdict(row), noteOf(row)]);
  const lines = [
    ['id', 'work', 'goal', 'measured', '', 'note'],
    cells.length === 0 ? [] : Array(6).fill('---'),
    ...cells,
  ];
  return lines
    .filter((line) => line.length > 0)
    .map((line) => `| ${line.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

/** What another run of the same commit on the same day measured, and this one did not. */
function keepOthers(path: string, report: BenchReport): BenchReport {
  if (!existsSync(path)) return report;
  const earlier: BenchReport = JSON.parse(readFileSync(path, 'utf8'));
  const others = earlier.rows.filter(({ suite = '' }) => !report.suites.includes(suite));
  const suites = [...earlier.suites.filter((name) => !report.suites.includes(name)), ...report.suites];
  return { ...report, suites, rows: [...others, ...report.rows] };
}

/** Writes the report beside the earlier ones, and into that of the same day and commit. @returns its path */
export function saveReport(root: string, report: BenchReport): string {
  const directory = join(root, 'bench', 'results');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${report.date.slice(0, 10)}-${report.commit.replace('+', '-changed')}.json`);
  writeFileSync(path, `${JSON.stringify(keepOthers(path, report), null, 2)}\n`);
  return path;
}

/** Where the figures begin on the page; what stands before is written by hand. */
const figuresMark = '## Figures';

function readReports(root: string): BenchReport[] {
  const directory = join(root, 'bench', 'results');
  const reports = readdirSync(directory).map(
    (name): BenchReport => JSON.parse(readFileSync(join(directory, name), 'utf8')),
  );
  return reports.sort((one, other) => other.date.localeCompare(one.date));
}

function conditionsOf(report: BenchReport): string {
  const { date, commit, node, cores, memoryGiB, system, load } = report;
  return `${date.slice(0, 10)}, commit ${commit}, Node ${node}, ${cores} cores, ${memoryGiB} GiB, ${system}; load ${load.before.toFixed(1)} before and ${load.after.toFixed(1)} after.`;
}

/** Puts the newest figures of each suite on the page of benchmarks, under the conditions of their run. */
export function writePage(root: string): void {
  const shown = new Set<string>();
  const parts: string[] = [];
  for (const report of readReports(root)) {
    const rows = report.rows.filter(({ suite = '' }) => !shown.has(suite));
    if (rows.length > 0) parts.push(conditionsOf(report), toTable(rows));
    for (const { suite = '' } of rows) shown.add(suite);
  }
  const path = join(root, 'docs', 'BENCHMARKS.md');
  const text = readFileSync(path, 'utf8');
  const preamble = text.slice(0, text.indexOf(figuresMark) + figuresMark.length);
  writeFileSync(path, `${preamble}\n\n${parts.join('\n\n')}\n`);
}
