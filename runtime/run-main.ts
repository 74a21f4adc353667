/** What a main does; the process goes on while it has work. */
export type Main = () => Promise<void>;

/**
 * Runs a main. An error that is meant for the operator (it carries an `exitCode`) is printed as its one sentence and
 * ends the process with that code; any other is a fault of ours and ends it with 1 and a stack.
 */
export function runMain(main: Main): void {
  main().catch((error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const isForOperator = error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number';
    process.stderr.write(`vfolder: ${isForOperator ? error.message : text}\n`, () => {
      process.exit(isForOperator ? Number(error.exitCode) : 1);
    });
  });
}
