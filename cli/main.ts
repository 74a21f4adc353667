#!/usr/bin/env node
import { makeProgram } from './program.ts';
import { runProgram } from './run-program.ts';
import type { Terminal } from './terminal.ts';

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
// The reader of stdout may have enough, as `head` has.
process.stdout.on('error', (error) => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1));

const code = await runProgram(makeProgram(terminal), process.argv.slice(2), terminal);
// Idle connections would keep the process for seconds; what was written has to get out first.
process.exitCode = code;
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
