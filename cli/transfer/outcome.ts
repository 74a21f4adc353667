import { CliError, exitCodeOf, exitCodes } from '../exit-codes.ts';
import type { ProgressMeter } from '../progress.ts';
import { printable } from '../terminal.ts';

/** What to do about files that are there. */
export const conflictChoices = ['overwrite', 'skip', 'fail'] as const;
/** One of {@link conflictChoices}. */
export type ConflictChoice = (typeof conflictChoices)[number];

/** How a transfer goes; shared by everything that works on it. */
export interface TransferRun {
  readonly meter: ProgressMeter;
  readonly signal: AbortSignal;
  readonly onConflict: ConflictChoice;
  /** Failures so far, in the order they came. */
  readonly failures: { readonly path: string; readonly error: unknown }[];
  /** Something that concerns every file: the rest is not begun. */
  fatal: unknown;
}

/** Errors that the next file would meet as well: not allowed, no room, nobody there, interrupted. */
const fatalCodes: ReadonlySet<number> = new Set([
  exitCodes.forbidden,
  exitCodes.temporary,
  exitCodes.limit,
  exitCodes.interrupted,
]);

/** Notes what went wrong with one file, and tells it. */
export function noteFailure(run: TransferRun, path: string, error: unknown): void {
  if (run.signal.aborted || fatalCodes.has(exitCodeOf(error))) run.fatal ??= error;
  if (run.signal.aborted) return;
  run.failures.push({ path, error });
  run.meter.note(`${printable(path)}: ${error instanceof Error ? error.message : String(error)}`);
}

/** What a plan says cannot be done, and how many entries it could not even name. */
export interface PlannedFailures {
  readonly conflicts: readonly { readonly path: string; readonly error: CliError }[];
  readonly omitted: number;
}

/** Notes what was known to fail before anything was transferred. */
export function notePlanned(run: TransferRun, { conflicts, omitted }: PlannedFailures): void {
  for (const { path, error } of conflicts) noteFailure(run, path, error);
  if (omitted === 0) return;
  const error = new CliError(exitCodes.partly, `${omitted} entries have names that cannot be told.`);
  noteFailure(run, 'A listing', error);
}

/** Works through tasks, `width` at a time, until they are done or something fatal happens. */
export async function runTasks(
  run: TransferRun,
  tasks: readonly (() => Promise<void>)[],
  width: number,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const task = tasks[next];
      if (task === undefined || run.fatal !== undefined) return;
      next += 1;
      await task();
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, tasks.length) }, work));
}

/** Throws what the whole transfer ends with; nothing when every file arrived. */
export function concludeRun(run: TransferRun, total: number): void {
  if (run.fatal !== undefined) throw run.fatal;
  const [first] = run.failures;
  if (first === undefined) return;
  if (total === 1) throw first.error;
  if (run.failures.length === total) {
    throw new CliError(exitCodeOf(first.error), `None of ${total} files could be transferred.`, {
      cause: first.error,
    });
  }
  throw new CliError(exitCodes.partly, `${run.failures.length} of ${total} files could not be transferred.`);
}
