import { CliError, exitCodes } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { runBeside } from '../run-beside.ts';

async function runOnInstallation(invocation: Invocation, command: string): Promise<void> {
  const json = invocation.form() === 'table' ? [] : ['--json'];
  const verify = invocation.flag('verify') ? ['--verify'] : [];
  const code = await runBeside('upkeep/main', [command, ...verify, ...json, '--', invocation.arg(0)]);
  if (code === exitCodes.ok) return;
  const what = code === exitCodes.partly ? 'is not whole' : 'was not carried out';
  throw new CliError(code, `The ${command} ${what}: see above.`);
}

/** Saves an installation into an empty directory. */
export const backup: Action = (invocation) => runOnInstallation(invocation, 'backup');

/** Brings an installation back from a backup. */
export const restoreBackup: Action = (invocation) => runOnInstallation(invocation, 'restore');

/** Brings the tables up to date, or says what would be changed. */
export const migrate: Action = async (invocation) => {
  const isCheck = invocation.flag('check');
  const json = invocation.form() === 'table' ? [] : ['--json'];
  const code = await runBeside('supervisor/migrate', [...(isCheck ? ['--check'] : []), ...json]);
  if (code === exitCodes.ok) return;
  throw new CliError(
    code,
    isCheck
      ? 'The tables are not those of this version: see above.'
      : 'The tables were not brought up to date: see above.',
  );
};

/** Compares rows and files, and mends what differs if that is wanted. */
export const fsck: Action = async (invocation) => {
  const [volume, folder] = [invocation.text('volume'), invocation.text('folder')];
  const code = await runBeside('upkeep/main', [
    'fsck',
    ...(invocation.flag('fix') ? ['--fix'] : []),
    ...(volume === undefined ? [] : [`--volume=${volume}`]),
    ...(folder === undefined ? [] : [`--folder=${folder}`]),
    ...(invocation.form() === 'table' ? [] : ['--json']),
  ]);
  if (code === exitCodes.ok) return;
  throw new CliError(
    code,
    code === exitCodes.partly
      ? 'Something is wrong: see above.'
      : 'The check was not carried out: see above.',
  );
};

/** Removes what is past its time. */
export const gc: Action = async (invocation) => {
  const volume = invocation.text('volume');
  const code = await runBeside('upkeep/main', [
    'gc',
    ...(invocation.flag('dryRun') ? ['--dry-run'] : []),
    ...(invocation.flag('orphans') ? ['--orphans'] : []),
    ...(volume === undefined ? [] : [`--volume=${volume}`]),
    ...(invocation.form() === 'table' ? [] : ['--json']),
  ]);
  if (code === exitCodes.ok) return;
  throw new CliError(
    code,
    code === exitCodes.partly ? 'Some of it failed: see above.' : 'Nothing was removed: see above.',
  );
};
