import type { Config } from '../../runtime/config.ts';
import { type GcOptions, type GcResult, runGc } from './run-gc.ts';
import type { Freed, FreedKind } from './tally.ts';

/** "Some of it is done, some failed; what failed is named." */
const partly = 8;

const words: Readonly<Record<FreedKind, string>> = {
  expired_uploads: 'uploads past their time',
  staged_files: 'staged files and trees',
  abandoned_copies: 'copies whose job is gone',
  archives: 'archives',
  trashed_folders: 'deleted folders',
  resumed_purges: 'deletes that had failed',
  left_trash: 'trash that no delete knew',
  folder_directories: 'empty folder directories without a row',
  set_aside: 'folders without a row set aside under lost/',
  orphans: 'folders that were set aside',
};

function line({ volume, kind, count, bytes }: Freed): string {
  return `${volume}: ${count} ${words[kind]}${bytes === null ? '' : `, ${bytes} bytes`}`;
}

function describe({ freed, rows, failures }: GcResult, isDry: boolean): string {
  const forgotten = Object.entries(rows).filter(([, count]) => count > 0);
  const lines = [
    ...freed.map(line),
    ...forgotten.map(([table, count]) => `${count} rows of ${table}`),
    ...failures.map(({ volume, what, reason }) => `FAILED on ${volume}: ${what}: ${reason}`),
  ];
  if (lines.length === 0) return 'There is nothing to remove.';
  return [isDry ? 'Would remove:' : 'Removed:', ...lines.map((text) => `  ${text}`)].join('\n');
}

/** Runs a clean-up and prints what it freed. @returns the exit code */
export async function printGc(
  config: Config,
  options: GcOptions,
  output: { readonly print: (text: string) => Promise<void>; readonly isJson: boolean },
): Promise<number> {
  const result = await runGc(config, options);
  const value = { dry_run: options.isDry, ...result };
  await output.print(`${output.isJson ? JSON.stringify(value, null, 2) : describe(result, options.isDry)}\n`);
  return result.failures.length === 0 ? 0 : partly;
}
