import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

/** The repository's root. */
export const rootDir = join(import.meta.dirname, '..', '..');

/** How to start one of the built programs. */
export interface ProcessOptions {
  /** Relative to `dist/`, for example `worker/main.js`. */
  readonly program: string;
  readonly args?: readonly string[];
  /** The whole environment but PATH, HOME and TMPDIR, which are taken over; nothing else leaks in. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * When the process counts as started: its IPC message `{type: 'ready'}` (as `api/main` and `worker/main` send) or
   * an output (stdout and stderr together) that matches.
   */
  readonly ready: 'message' | RegExp;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

/** A running program. */
export interface TestProcess {
  readonly pid: number;
  /** Everything written to stdout and stderr so far. */
  output(): string;
  /** What the match of `ready` found, or the ready message. */
  readonly readiness: RegExpMatchArray | Readonly<Record<string, unknown>>;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after `timeoutMs` (default 15 s). @returns as `exited` */
  stop(timeoutMs?: number): Promise<number | string>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

/**
 * Starts a built program (`npm run build` first; `npm test` does) as a real process and waits until it is ready.
 * Throws with the output so far when it ends or stays silent. Imports none of our source.
 *
 *     const api = await startProcess({ program: 'api/main.js', env: { DATABASE_URL: url, PORT: '0' }, ready: 'message' });
 *     afterAll(() => api.stop());
 */
export async function startProcess(options: ProcessOptions): Promise<TestProcess> {
  const child = spawn(process.execPath, [join(rootDir, 'dist', options.program), ...(options.args ?? [])], {
    cwd: rootDir,
    env: { ...inherited(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const readiness = await new Promise<TestProcess['readiness']>((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`${options.program} ${why}. Its output:\n${output}`));
    };
    const timer = setTimeout(() => fail('is not ready in time'), options.timeoutMs ?? 30_000);
    const settle = (value: TestProcess['readiness']) => {
      clearTimeout(timer);
      resolve(value);
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const match = options.ready === 'message' ? null : output.match(options.ready);
        if (match !== null) settle(match);
      });
    }
    child.on('message', (message) => {
      if (options.ready === 'message' && isReady(message)) settle(message);
    });
    child.once('error', (error) => fail(`does not start: ${error.message}`));
    void exited.then((code) => {
      clearTimeout(timer);
      fail(`ended with ${code} before it was ready`);
    });
  });
  return handle(child, { output: () => output, readiness, exited });
}

function handle(
  child: ChildProcess,
  parts: Pick<TestProcess, 'output' | 'readiness' | 'exited'>,
): TestProcess {
  return {
    ...parts,
    pid: child.pid ?? 0,
    signal: (name) => {
      child.kill(name);
    },
    stop: async (timeoutMs = 15_000) => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      const code = await parts.exited;
      clearTimeout(timer);
      return code;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await parts.exited;
    },
  };
}

function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function isReady(message: unknown): message is Readonly<Record<string, unknown>> {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}
