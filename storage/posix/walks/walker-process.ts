import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WalkerMessage, WalkerOrder } from './walker-messages.ts';

/**
 * A walker holds names and descriptors, no content; a small heap keeps many of them cheap. There are as many walkers as
 * processors, so one that collects garbage in several threads only waits for them.
 */
const heapLimits = [
  '--single-threaded-gc',
  '--min-semi-space-size=8',
  '--max-semi-space-size=8',
  '--max-old-space-size=512',
];

/** A process that works off parts of trees of one volume. */
export interface WalkerProcess {
  order(order: WalkerOrder): void;
  /** Whether this process has to live for it. */
  setNeeded(isNeeded: boolean): void;
  /** Kills it; resolves once it has ended. */
  end(): Promise<void>;
}

/** Starts a walker with the open root of the volume, and nothing else of this process: no setting and no secret. */
export function startWalker(
  volumeFd: number,
  on: { readonly message: (message: WalkerMessage) => void; readonly end: (cause: unknown) => void },
): WalkerProcess {
  // Run from source (tests, `npm run dev`), the walker is source, too.
  const isBuilt = import.meta.url.endsWith('.js');
  const main = new URL(isBuilt ? './walker.js' : './walker.ts', import.meta.url);
  const child: ChildProcess = fork(fileURLToPath(main), {
    execArgv: isBuilt ? heapLimits : [...heapLimits, '--import', 'tsx'],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', volumeFd],
  });
  const ended = new Promise<void>((resolve) => {
    const end = (cause: unknown): void => {
      on.end(cause);
      resolve();
    };
    child.on('exit', (code, signal) => end(new Error(`A walker ended with ${signal ?? code}.`)));
    child.on('error', end);
  });
  child.on('message', (message: WalkerMessage) => on.message(message));
  return {
    order(order) {
      // One that has just ended says so itself.
      if (child.connected) child.send(order, () => undefined);
    },
    setNeeded(isNeeded) {
      if (isNeeded) child.ref();
      else child.unref();
      if (isNeeded) child.channel?.ref();
      else child.channel?.unref();
    },
    end() {
      child.ref();
      child.kill('SIGKILL');
      return ended;
    },
  };
}
