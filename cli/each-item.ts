import { ConnectionError } from '../client/errors.ts';
import { CliError, exitCodeOf, exitCodes } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { bodyOf, reasonOf } from './report-error.ts';
import { printable } from './terminal.ts';

/** What is done with each item of a command. */
export interface EachItem<T> {
  readonly act: (item: T) => Promise<void>;
  /** What the item is called where its failure is told; the item itself unless given. */
  readonly nameOf?: (item: T) => string;
  /** Shows what came of those that worked; not called when all failed. */
  readonly show?: () => Promise<void>;
}

interface Failure {
  readonly item: string;
  readonly error: unknown;
}

/** What the next item would meet as well: nobody there, or nobody known. */
function concernsAll(error: unknown): boolean {
  return error instanceof ConnectionError || Reflect.get(Object(error), 'status') === 401;
}

/** What a command on `total` items ends with, some of which failed; each has been named. */
function conclude(failures: readonly Failure[], total: number): CliError {
  const [first] = failures;
  // An item may be several things, some of which are done.
  const isDoneInPart = failures.some(({ error }) => exitCodeOf(error) === exitCodes.partly);
  const isPartly = failures.length < total || isDoneInPart;
  const exitCode = isPartly ? exitCodes.partly : exitCodeOf(first?.error);
  const text = isPartly ? `${failures.length} of ${total} failed.` : `None of ${total} could be done.`;
  const failed = failures.map(({ item, error }) => ({ item, ...bodyOf(error) }));
  return new CliError(exitCode, text, { cause: first?.error, members: { failed } });
}

/**
 * Does something with each item, one after the other; one that fails does not keep the others from it. Failures are named on
 * stderr, or are in the problem object with `--json`. What concerns every item (no connection, bad credentials) leaves the rest undone.
 * @throws the error itself for a single item or an interrupt; else CliError `partly`, or with the code of the first failure when
 *   none worked
 */
export async function eachItem<T>(
  invocation: Invocation,
  items: readonly T[],
  { act, nameOf = String, show }: EachItem<T>,
): Promise<void> {
  const { terminal } = invocation;
  const failures: Failure[] = [];
  const note = (item: T, error: unknown): void => {
    const name = nameOf(item);
    failures.push({ item: name, error });
    if (invocation.form() !== 'json') terminal.stderr.write(`${printable(name)}: ${reasonOf(error)}\n`);
  };
  let isOver = false;
  for (const item of items) {
    const error = isOver ? notBegun : await failureOf(act, item);
    if (error === undefined) continue;
    if (terminal.signal.aborted || items.length === 1) throw error;
    note(item, error);
    isOver ||= concernsAll(error);
  }
  if (failures.length < items.length || items.length === 0) await show?.();
  if (failures.length > 0) throw conclude(failures, items.length);
}

const notBegun = new CliError(exitCodes.temporary, 'Not begun.');

async function failureOf<T>(act: EachItem<T>['act'], item: T): Promise<unknown> {
  try {
    await act(item);
    return undefined;
  } catch (error) {
    return error ?? new Error('It failed without a reason.');
  }
}
