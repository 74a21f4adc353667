import { readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { runMain } from '../runtime/run-main.ts';
import { examineAll } from './examine-all.ts';
import { bad, type NamedFinding } from './finding.ts';
import { formatFindings } from './format-findings.ts';

runMain(async () => {
  const { argv, env, stdout } = process;
  const findings = await examineEnvironment(env, argv.includes('--deep'));
  const hasBad = findings.some(({ state }) => state === 'bad');
  const isColored = stdout.isTTY === true && (env.NO_COLOR ?? '') === '';
  const text = argv.includes('--json')
    ? `${JSON.stringify(findings, null, 2)}\n`
    : formatFindings(findings, { isColored });
  // A volume that hangs keeps threads, which must not keep the answer.
  stdout.write(text, () => process.exit(hasBad ? 1 : 0));
});

async function examineEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  isDeep: boolean,
): Promise<NamedFinding[]> {
  try {
    return await examineAll(readConfig(env), { isDeep });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [
      { name: 'settings', ...bad(error.message, 'Mend the setting; docs/CONFIGURATION.md explains each.') },
    ];
  }
}
