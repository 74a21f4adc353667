import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatFigure, makeReport, saveReport, toTable, writePage } from './report.ts';
import type { BenchRow } from './row.ts';
import type { Suite } from './suite.ts';

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

const usage = `usage: npm run bench -- [--only suite,…] [--dir DIR] [--quick] [--save]

  --only   some of: ${Object.keys(suites).join(', ')}
  --dir    a directory on the disk to measure (default: the system's temporary directory)
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
  return { ...values, names };
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
      rows.push({ ...row, suite: name });
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
  const rows: BenchRow[] = [];
  for (const name of options.names) {
    say(`--- ${name}`);
    rows.push(...(await runSuite(name, options)));
  }
  const report = makeReport(root, { rows, suites: options.names, isQuick: options.quick, loadBefore });
  process.stdout.write(`${toTable(rows)}\n`);
  if (!options.save) return;
  say(`kept in ${saveReport(root, report)}`);
  writePage(root);
}

await main();
