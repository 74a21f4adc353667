import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import type { Account } from './account.ts';

/** Where and as whom a program of Postgres runs. */
export interface LaunchOptions {
  readonly account: Account | null;
  readonly libraryPath: string;
  /** The directory of the cluster; the program starts inside it, entered before the privileges are dropped. */
  readonly cwd: string;
}

/** How a program that was run to its end went. `output` is what it printed, both streams. */
export interface Run {
  readonly isOk: boolean;
  readonly output: string;
}

/**
 * Starts a program as the account, with no other environment than it needs. With setpriv(1) at hand it gets SIGINT
 * (Postgres: fast shutdown) when the thread that started it dies, even by SIGKILL; call it from the main thread.
 */
export async function launch(
  command: readonly [string, ...string[]],
  options: LaunchOptions,
  stdio: SpawnOptions['stdio'],
): Promise<ChildProcess> {
  const { account } = options;
  const wrapper = await findSetpriv();
  const [file, ...args] = wrapper === null ? command : setprivCommand(command, account);
  return spawn(file, args, {
    cwd: options.cwd,
    env: environment(options.libraryPath),
    // A session of its own, so that Ctrl-C in the terminal reaches only the supervisor.
    detached: true,
    stdio,
    ...(wrapper === null && account !== null ? account : {}),
  });
}

/** Runs a program to its end. A program that cannot be started is reported in `output`. */
export async function run(
  command: readonly [string, ...string[]],
  options: LaunchOptions & { readonly input?: string },
): Promise<Run> {
  const child = await launch(command, options, ['pipe', 'pipe', 'pipe']);
  const chunks: Buffer[] = [];
  const collect = (chunk: Buffer) => void chunks.push(chunk);
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  // A program that ends without reading its input is judged by its exit code.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ isOk: false, output: error.message }));
    child.once('close', (code) =>
      resolve({ isOk: code === 0, output: Buffer.concat(chunks).toString('utf8') }),
    );
  });
}

function setprivCommand(
  command: readonly [string, ...string[]],
  account: Account | null,
): [string, ...string[]] {
  const identity =
    account === null ? [] : [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  return ['setpriv', ...identity, '--pdeathsig=INT', '--no-new-privs', '--', ...command];
}

/** Where setpriv, unshare and what initdb calls are found, whatever the caller's PATH is. */
const searchPath = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin';

/** LC_ALL and TZ are fixed so that a cluster never depends on who made it where. */
function environment(libraryPath: string): NodeJS.ProcessEnv {
  const linkerVariable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  return {
    PATH: searchPath,
    LC_ALL: 'C',
    TZ: 'UTC',
    [linkerVariable]: libraryPath,
  };
}

/** `setpriv` when the machine has one that knows parent death signals (util-linux ≥ 2.33), else `null`. */
async function findSetpriv(): Promise<'setpriv' | null> {
  const help = await promisify(execFile)('setpriv', ['--help'], { env: { PATH: searchPath } }).catch(
    () => null,
  );
  return help?.stdout.includes('--pdeathsig') === true ? 'setpriv' : null;
}
