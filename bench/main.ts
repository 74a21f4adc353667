import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatFigure, makeReport, saveReport, toTable, writePage } from './report.ts';
import type { BenchRow } from './row.ts';
import { combineRuns } from './runs.ts';
import type { Suite } from './suite.ts';
import { whatWasTried } from './tried.ts';

/** Every suite, in the order they are run; loaded when it is its turn. */
const suites: Readonly<Record<string, () => Promise<Suite>>> = {
  metadata: async () => (await import('./suites/metadata.ts')).measureMetadata,
  'small-files': async () => (await import('./suites/small-files.ts')).measureSmallFiles,
  archives: async () => (await import('./suites/archives.ts')).measureArchives,
  trees: async () => (await import('./suites/trees.ts')).measureTrees,
  deletes: async () => (await import('./suites/deletes.ts')).measureDeletes,
  'slow-storage': async () => (await import('./suites/slow-storage.ts')).measureSlowStorage,
  tenants: async () => (await import('./suites/tenants.ts')).measureTenants,
  'slow-clients': async () => (await import('./suites/slow-clients.ts')).measureSlowClients,
  transfers: async () => (await import('./suites/transfers.ts')).measureTransfers,
};

const usage = `usage: npm run bench -- [--only suite,…] [--dir DIR] [--runs N] [--quick] [--save]

  --only   some of: ${Object.keys(suites).join(', ')}
  --dir    a directory on the disk to measure (default: the system's temporary directory)
  --runs   as many runs in a row (default: 1); figures are those in the middle, and a goal is met when every run meets it
  --quick  small trees and few rounds, to see that it runs
  --save   keep the outcome in bench/results/ and docs/BENCHMARKS.md; suites that were not run keep their last figures
`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      dir: { type: 'string', default: os.tmpdir() },
      runs: { type: 'string', default: '1' },
      quick: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const names = values.only?.split(',') ?? Object.keys(suites);
  const unknown = names.find((name) => suites[name] === undefined);
  if (values.help || unknown !== undefined) {
    say(unknown === undefined ? usage : `There is no suite ${unknown}.\n\n${usage}`);
    process.exit(values.help ? 0 : 2);
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    say(`--runs must be a whole number from 1.\n\n${usage}`);
    process.exit(2);
  }
  return { ...values, names, runs };
}

async function runSuite(
  name: string,
  options: { readonly dir: string; readonly quick: boolean },
): Promise<BenchRow[]> {
  const suite = await suites[name]?.();
  if (suite === undefined) return [];
  const workDir = mkdtempSync(join(options.dir, `vfolder-bench-${name}-`));
  const rows: BenchRow[] = [];
  try {
    for await (const row of suite({ workDir, isQuick: options.quick, say })) {
      const tried = row.met === false ? whatWasTried(row.id) : undefined;
      rows.push({ ...row, suite: name, ...(tried === undefined ? {} : { tried }) });
      say(`${row.id}: ${formatFigure(row)} ${row.goal === '' ? '' : `(goal ${row.goal})`} ${row.note ?? ''}`);
    }
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
  return rows;
}

async function main(): Promise<void> {
  const options = readOptions();
  // dist/bench/main.js
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const loadBefore = os.loadavg()[0] ?? 0;
  const runs: BenchRow[][] = [];
  for (let run = 1; run <= options.runs; run += 1) {
    const rows: BenchRow[] = [];
    for (const name of options.names) {
      say(`--- ${name}${options.runs === 1 ? '' : `, run ${run} of ${options.runs}`}`);
      rows.push(...(await runSuite(name, options)));
    }
    runs.push(rows);
  }
  const rows = combineRuns(runs);
  const report = makeReport(root, { rows, suites: options.names, isQuick: options.quick, loadBefore });
  process.stdout.write(`${toTable(rows)}\n`);
  if (!options.save) return;
  say(`kept in ${saveReport(root, report)}`);
  writePage(root);
}

await main();
