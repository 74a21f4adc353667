import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../runtime/config-error.ts';
import { type StartWord, waitFlag } from '../runtime/parent.ts';

/** A program that is kept running. */
export interface ChildOptions {
  /** As people read it, such as `worker 1`. */
  readonly name: string;
  readonly entry: URL;
  /** A module that runs before anything of the program is compiled. */
  readonly preload?: URL;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What it waits for once it is loaded; told at every start. A word that never comes leaves it waiting. */
  readonly word: Promise<StartWord>;
  /** Gets a line for people when the child ended unasked. */
  notify(line: string): void;
}

/** A program that is kept running, and its end. */
export interface SupervisedChild {
  /** Resolves when it was ready for the first time; rejects when it does not come up. */
  readonly ready: Promise<void>;
  /** Asks it to end, and ends it by force after `graceMs`. Resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/** How a process ended. */
interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child that never came up is given up after this many starts. */
const startsMax = 5;
/** One that has run this long was well, so that its next end is followed by a start at once. */
const wellMs = 5_000;
const backoffMsMax = 2_000;

/**
 * Starts a program and starts it again whenever it ends, at once the first time and with growing waits when it keeps
 * ending. It runs in a session of its own, so that Ctrl-C reaches only us, and prints to our stderr. It follows us into
 * death through its IPC channel (runtime/parent.ts).
 */
export function superviseChild(options: ChildOptions): SupervisedChild {
  const stopping = new AbortController();
  let current: { readonly child: ChildProcess; readonly end: Promise<End> } | undefined;
  let settleReady: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  let wasReady = false;
  const ready = new Promise<void>((resolve, reject) => {
    settleReady = { resolve, reject };
  });
  // Whoever awaits it sees the failure; nobody has to.
  ready.catch(() => undefined);

  const runOnce = async () => {
    const child = startChild(options);
    const end = endOf(child);
    current = { child, end };
    const markReady = () => {
      wasReady = true;
      settleReady?.resolve();
    };
    child.on('message', (message) => {
      if (isReady(message)) markReady();
    });
    options.word.then(
      (word) => tell(child, word),
      () => undefined,
    );
    return end;
  };

  // Whether to start it again after an end.
  const judge = (end: End, crashes: number): boolean => {
    if (stopping.signal.aborted) return false;
    const isHopeless = end.code === 2 || crashes >= startsMax;
    if (wasReady || !isHopeless) {
      options.notify(`The ${options.name} ended (${describe(end)}) and is started again.`);
      return true;
    }
    settleReady?.reject(
      new ConfigError(`The ${options.name} did not start (${describe(end)}): see its own message above.`),
    );
    return false;
  };

  const keepRunning = async () => {
    for (let crashes = 0; !stopping.signal.aborted; ) {
      const startedAt = performance.now();
      const end = await runOnce();
      crashes = performance.now() - startedAt > wellMs ? 1 : crashes + 1;
      if (!judge(end, crashes)) return;
      await setTimeout(backoffMs(crashes), undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  void keepRunning();

  const stop = async (graceMs: number) => {
    stopping.abort();
    settleReady?.reject(new Error(`The ${options.name} was stopped.`));
    if (current === undefined) return;
    const { child, end } = current;
    child.kill('SIGTERM');
    const timer = new AbortController();
    const late = setTimeout(graceMs, 'late' as const, { signal: timer.signal }).catch(() => undefined);
    if ((await Promise.race([end, late])) === 'late') child.kill('SIGKILL');
    await end;
    timer.abort();
  };
  return { ready, stop };
}

function startChild({ entry, preload, env }: ChildOptions): ChildProcess {
  const execArgv = process.execArgv.filter((flag) => !flag.startsWith('--inspect'));
  const imports = preload === undefined ? [] : [`--import=${preload}`];
  return spawn(process.execPath, [...execArgv, ...imports, fileURLToPath(entry), waitFlag], {
    env,
    detached: true,
    stdio: ['ignore', 2, 2, 'ipc'],
  });
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function backoffMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(backoffMsMax, 50 * 2 ** crashes);
}

function describe(end: End): string {
  return end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
}

/** The child says so over its IPC channel, see `tellReady`. */
function isReady(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}

/** A child that ends meanwhile is told again at its next start. */
function tell(child: ChildProcess, word: StartWord): void {
  if (child.connected) child.send(word, () => undefined);
}
