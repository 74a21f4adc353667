import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { runMain } from '../runtime/run-main.ts';
import { type BackupFinding, backUp } from './backup.ts';
import { formatFinding } from './fsck/findings.ts';
import { describeFsck, gatherFsck, type Print, printFsck } from './fsck/print.ts';
import { printGc } from './gc/print.ts';
import { restore } from './restore.ts';

/** A command as it was given. */
interface Given {
  readonly config: Config;
  readonly print: Print;
  readonly isJson: boolean;
  readonly words: readonly string[];
  readonly flags: {
    readonly fix?: boolean | undefined;
    readonly 'dry-run'?: boolean | undefined;
    readonly orphans?: boolean | undefined;
    readonly verify?: boolean | undefined;
    readonly volume?: string | undefined;
    readonly folder?: string | undefined;
  };
}

/** "Some of it is done, some failed; what failed is named." */
const partly = 8;
const listedMax = 20;

function describe(finding: BackupFinding): string {
  const where = `folder ${finding.folder}`;
  if (finding.kind === 'missing') return `${where}: has no directory on its volume`;
  if (finding.kind === 'short') return `${where}: ${finding.saved} bytes found, ${finding.recorded} recorded`;
  return `${where}: ${JSON.stringify(finding.path)} left out (${finding.reason})`;
}

async function show({ print, isJson }: Given, value: unknown, text: string): Promise<void> {
  await print(`${isJson ? JSON.stringify(value, null, 2) : text}\n`);
}

function dirOf({ words: [dir] }: Given): string {
  if (dir === undefined) throw new ConfigError('Name the directory of the backup.');
  return resolve(dir);
}

async function runBackup(given: Given): Promise<number> {
  const dir = dirOf(given);
  const { manifest, findings } = await backUp(dir, given.config, { isHashing: given.flags.verify === true });
  const { folders, files, bytes, made_at } = manifest;
  const listed = findings.slice(0, listedMax).map(describe);
  const more =
    findings.length > listed.length ? [`and ${findings.length - listed.length} more in findings.jsonl`] : [];
  const head = `Saved ${folders} folders, ${files} files, ${bytes} bytes as of ${made_at} to ${dir}.`;
  await show(given, { dir, made_at, folders, files, bytes, findings }, [head, ...listed, ...more].join('\n'));
  return findings.length === 0 ? 0 : partly;
}

async function runRestore(given: Given): Promise<number> {
  const dir = dirOf(given);
  const result = await restore(dir, given.config, { isVerifying: given.flags.verify === true });
  const { summary, findings } = await gatherFsck(given.config, { isFixing: false }, listedMax);
  const { folders, files, bytes } = result;
  const text = [
    `Restored ${folders} folders, ${files} files, ${bytes} bytes.`,
    ...findings.map(formatFinding),
    `Rows and files compared: ${describeFsck(summary)} Start the service now.`,
  ].join('\n');
  await show(given, { dir, ...result, fsck: { findings, summary } }, text);
  return summary.left === 0 ? 0 : partly;
}

function runFsck({ config, flags, ...output }: Given): Promise<number> {
  const { fix = false, volume, folder } = flags;
  return printFsck(config, { isFixing: fix, volume, folder }, output);
}

function runGc({ config, flags, ...output }: Given): Promise<number> {
  const { 'dry-run': isDry = false, orphans: withOrphans = false, volume } = flags;
  return printGc(config, { isDry, withOrphans, volume }, output);
}

const commands: ReadonlyMap<string | undefined, (given: Given) => Promise<number>> = new Map([
  ['backup', runBackup],
  ['restore', runRestore],
  ['fsck', runFsck],
  ['gc', runGc],
]);

const options = {
  json: { type: 'boolean' },
  fix: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  orphans: { type: 'boolean' },
  verify: { type: 'boolean' },
  volume: { type: 'string' },
  folder: { type: 'string' },
} as const;

/** Resolves when more may be written. */
function print(text: string): Promise<void> {
  return new Promise((done, fail) => {
    process.stdout.write(text, (error) => (error ? fail(error) : done()));
  });
}

runMain(async () => {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name, ...words] = positionals;
  const command = commands.get(name);
  if (command === undefined) {
    throw new ConfigError(`This program is run as "main.js ${[...commands.keys()].join('|')} …".`);
  }
  const { json: isJson = false, ...flags } = values;
  const { env } = process;
  const code = await command({ config: readConfig(env), print, isJson, words, flags });
  // What the volumes keep open must not keep the answer.
  process.exit(code);
});
