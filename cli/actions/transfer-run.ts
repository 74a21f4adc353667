import { usageError } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { startProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import { statePath } from '../settings.ts';
import { formatBytes, formatSeconds, parseWhole } from '../sizes.ts';
import { printable, writeOut } from '../terminal.ts';
import { type Journal, openJournal } from '../transfer/journal.ts';
import { type ConflictChoice, concludeRun, conflictChoices, type TransferRun } from '../transfer/outcome.ts';

/** The options that all transfers have. */
export interface TransferOptions {
  readonly isRecursive: boolean;
  readonly isDryRun: boolean;
  readonly isFresh: boolean;
  readonly width: number;
  readonly onConflict: ConflictChoice;
  /** Between two lines of progress where no terminal shows it; `undefined` as usual. */
  readonly lineMs: number | undefined;
}

/** Seconds between two lines, in milliseconds. */
function lineMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (/^\d{1,4}(?:\.\d{1,3})?$/.test(text) && seconds >= 0.1) return seconds * 1_000;
  throw usageError(`--progress-every must be seconds, 0.1 at least, not "${text}".`);
}

/** Reads them. @throws a usage error */
export function readTransferOptions(invocation: Invocation): TransferOptions {
  const wanted = invocation.text('onConflict') ?? 'overwrite';
  const onConflict = conflictChoices.find((choice) => choice === wanted);
  if (onConflict === undefined)
    throw usageError(`--on-conflict must be one of ${conflictChoices.join(', ')}.`);
  return {
    isRecursive: invocation.flag('recursive'),
    isDryRun: invocation.flag('dryRun'),
    isFresh: !invocation.flag('resume'),
    width: parseWhole(invocation.text('transfers') ?? '4', 'transfers', [1, 64]),
    onConflict,
    lineMs: lineMsOf(invocation.text('progressEvery')),
  };
}

const toldMax = 20;

/** Where a name is bytes that are no text, Node puts replacement characters for them, and finds nothing by that name. */
function reasonToSkip(path: string): string {
  return path.includes('\ufffd') ? 'has a name that is no text' : 'is neither a file nor a directory';
}

/** Says what a transfer leaves out. */
export function tellSkipped(invocation: Invocation, skipped: readonly string[]): void {
  const { stderr } = invocation.terminal;
  for (const path of skipped.slice(0, toldMax))
    stderr.write(`${printable(path)} ${reasonToSkip(path)} and is left out.\n`);
  if (skipped.length > toldMax) stderr.write(`And ${skipped.length - toldMax} more.\n`);
}

/** A transfer that is about to begin; `identity` is what makes it the same as an interrupted one. */
export interface TransferPlan {
  readonly invocation: Invocation;
  readonly session: Session;
  readonly title: string;
  readonly options: TransferOptions;
  readonly identity: readonly string[];
  /** What else the summary counts, by what it is called. */
  readonly counts?: () => Readonly<Record<string, number>>;
}

async function summarise(
  { invocation, counts = () => ({}) }: TransferPlan,
  run: TransferRun,
  startedMs: number,
): Promise<void> {
  const { doneFiles: files, doneBytes: bytes } = run.meter.state;
  const seconds = (performance.now() - startedMs) / 1000;
  const form = invocation.form();
  if (form === 'json' || form === 'jsonl') {
    const failed = run.failures.map(({ path, error }) => ({
      path,
      detail: error instanceof Error ? error.message : String(error),
    }));
    await writeOut(invocation.terminal, `${JSON.stringify({ files, bytes, ...counts(), failed })}\n`);
    return;
  }
  if (invocation.flag('quiet')) return;
  const others = Object.entries(counts())
    .map(([what, count]) => `, ${count} ${what}`)
    .join('');
  invocation.terminal.stderr.write(
    `${files} ${files === 1 ? 'file' : 'files'}, ${formatBytes(bytes)} in ${formatSeconds(seconds)}${others}\n`,
  );
}

/** Runs a transfer under its journal, showing progress, and says at its end what it came to. */
export async function withRun(
  plan: TransferPlan,
  total: number,
  transfer: (begun: { readonly run: TransferRun; readonly journal: Journal }) => Promise<void>,
): Promise<void> {
  const { invocation, session, options } = plan;
  const { terminal } = invocation;
  const { url, credentials } = session.target;
  const who = credentials.kind === 'keypair' ? credentials.accessKey : credentials.kind;
  const identity = [url, who, options.onConflict, ...plan.identity];
  const journal = await openJournal(statePath(terminal.env), identity, { isFresh: options.isFresh });
  const isQuiet = invocation.flag('quiet') || !invocation.flag('progress');
  const meter = startProgress(terminal, { title: plan.title, isQuiet, lineMs: options.lineMs });
  const run: TransferRun = {
    meter,
    signal: terminal.signal,
    onConflict: options.onConflict,
    failures: [],
    fatal: undefined,
  };
  const startedMs = performance.now();
  let isWhole = false;
  try {
    await transfer({ run, journal });
    isWhole = run.fatal === undefined && run.failures.length === 0;
  } finally {
    meter.stop();
    await journal.close({ isComplete: isWhole });
  }
  await summarise(plan, run, startedMs);
  concludeRun(run, total);
}
