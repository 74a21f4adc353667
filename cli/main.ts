#!/usr/bin/env node
import { writeSync } from 'node:fs';
import { exitCodes } from './exit-codes.ts';
import { makeProgram } from './program.ts';
import { runProgram, wantsJson } from './run-program.ts';
import type { Terminal } from './terminal.ts';

const words = process.argv.slice(2);
const interrupted = new AbortController();
const terminal: Terminal = {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  signal: interrupted.signal,
};

// The first interrupt lets a transfer note how far it came; the second does not wait.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  });
}
/** The reader of stdout may have enough, as `head` has; else what was asked for is lost. */
function endWithoutOutput(error: Error): never {
  const code = 'code' in error ? String(error.code) : error.message;
  if (code === 'EPIPE') process.exit(0);
  const sentence = `Standard output cannot be written (${code}).`;
  // At once: a pipe would lose what is still to be written when the process exits.
  writeSync(
    2,
    wantsJson(words)
      ? `${JSON.stringify({ title: sentence, detail: sentence, exit_code: exitCodes.other })}\n`
      : `vfolder: ${sentence}\n`,
  );
  process.exit(exitCodes.other);
}
process.stdout.on('error', endWithoutOutput);

const code = await runProgram(makeProgram(terminal), words, terminal);
// Idle connections would keep the process for seconds; what was written has to get out first.
process.exitCode = code;
process.stdout.write('', (error) => {
  // The last of it may fail before the stream tells of it.
  if (error instanceof Error) endWithoutOutput(error);
  process.stderr.write('', () => process.exit(code));
});
