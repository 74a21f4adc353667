import { resolve } from 'node:path';
import { type Config, readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { runMain } from '../runtime/run-main.ts';
import { type BackupFinding, backUp } from './backup.ts';
import { restore } from './restore.ts';

/** What a command came to. */
interface Outcome {
  readonly value: unknown;
  readonly text: string;
  readonly exitCode: number;
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

async function runBackup(dir: string, config: Config): Promise<Outcome> {
  const { manifest, findings } = await backUp(dir, config);
  const { folders, files, bytes, made_at } = manifest;
  const listed = findings.slice(0, listedMax).map(describe);
  const more =
    findings.length > listed.length ? [`and ${findings.length - listed.length} more in findings.jsonl`] : [];
  const head = `Saved ${folders} folders, ${files} files, ${bytes} bytes as of ${made_at} to ${dir}.`;
  return {
    value: { dir, made_at, folders, files, bytes, findings },
    text: [head, ...listed, ...more].join('\n'),
    exitCode: findings.length === 0 ? 0 : partly,
  };
}

async function runRestore(dir: string, config: Config): Promise<Outcome> {
  const result = await restore(dir, config);
  const { folders, files, bytes } = result;
  const text = `Restored ${folders} folders, ${files} files, ${bytes} bytes. Start the service now.`;
  return { value: { dir, ...result }, text, exitCode: 0 };
}

const commands: ReadonlyMap<string | undefined, (dir: string, config: Config) => Promise<Outcome>> = new Map([
  ['backup', runBackup],
  ['restore', runRestore],
]);

runMain(async () => {
  const { argv, env, stdout } = process;
  const [name, ...rest] = argv.slice(2);
  const [dir] = rest.filter((word) => word !== '--json');
  const command = commands.get(name);
  if (command === undefined || dir === undefined) {
    throw new ConfigError(`This program is run as "main.js ${[...commands.keys()].join('|')} DIR [--json]".`);
  }
  const { value, text, exitCode } = await command(resolve(dir), readConfig(env));
  const shown = rest.includes('--json') ? JSON.stringify(value, null, 2) : text;
  // What the volumes keep open must not keep the answer.
  stdout.write(`${shown}\n`, () => process.exit(exitCode));
});
