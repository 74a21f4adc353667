import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ConfigError } from './config-error.ts';
import { type Account, findAccount } from './postgres/account.ts';
import { type PostgresBinaries, prepareBinaries } from './postgres/binaries.ts';
import { clusterArgument, ensureCluster } from './postgres/cluster.ts';
import { launch } from './postgres/launch.ts';
import { answers, isAlive, type Postmaster, readPostmaster, socketUrl } from './postgres/postmaster-pid.ts';
import { findTempRoot } from './postgres/temp-root.ts';

/** Where the cluster lives and how careful it is. */
export interface EmbeddedPostgresOptions {
  /** The cluster is `<dataDir>/postgres`; made when missing. */
  readonly dataDir: string;
  /** `false` gives up safety against power loss for speed; for tests. */
  readonly durable?: boolean;
  /** Gets the server's own log, line by line. */
  readonly onLog?: (line: string) => void;
}

/** A running Postgres of our own. */
export interface EmbeddedPostgres {
  /** As in `DATABASE_URL`; role and database are `vfolder`. Stays the same over restarts on the same data. */
  readonly url: string;
  readonly socketDir: string;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends it in an orderly way (fast shutdown, then immediate). Resolves when no process is left; may be called twice. */
  stop(): Promise<void>;
}

const previousWaitMs = 5_000;
const readyWaitMs = 120_000;
const fastStopMs = 10_000;
const immediateStopMs = 5_000;
const pollMs = 10;

/**
 * Starts Postgres from the binaries of the npm package, on a Unix socket in a directory only its user can enter. A
 * server that is already up on this data is taken over instead. Works as root (Postgres then runs as `postgres` or
 * `nobody`) and below private homes. With setpriv(1) the server stops itself when this process dies.
 * @throws ConfigError with one sentence for the operator
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const clusterDir = join(dataDir, 'postgres');
  await makeDataDir(dataDir);
  const account = await findAccount(clusterDir);
  const running = await settlePrevious(clusterDir);
  if (running !== null) return adopt(running, clusterDir);
  const socketDir = await makeSocketDir(dataDir, account);
  const binaries = await prepareBinaries({ account, linkDir: join(socketDir, 'lib') });
  const durable = options.durable ?? true;
  await ensureCluster({ clusterDir, account, binaries, durable });
  return startServer({ clusterDir, socketDir, account, binaries, durable, onLog: options.onLog });
}

/**
 * The url of the embedded Postgres that runs on this data directory, `null` when none does.
 * @throws ConfigError when this user may not look
 */
export async function findEmbeddedPostgres(dataDir: string): Promise<string | null> {
  const clusterDir = join(resolve(dataDir), 'postgres');
  try {
    const postmaster = await readPostmaster(clusterDir);
    if (postmaster === null || !(await isServing(postmaster, clusterDir))) return null;
    return socketUrl(postmaster.socketDir);
  } catch (cause) {
    throw new ConfigError(
      `The embedded Postgres in ${clusterDir} belongs to another user: start as the user who started it, or set DATABASE_URL.`,
      { cause },
    );
  }
}

/** Below a directory of mode 0700 other users reach the cluster through /proc (see clusterArgument), which only Linux has. */
async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: process.platform === 'linux' ? 0o700 : 0o711 });
  } catch (cause) {
    throw new ConfigError(
      `The data directory ${dataDir} cannot be made: set VFOLDER_DATA_DIR to a directory of yours.`,
      {
        cause,
      },
    );
  }
}

async function isServing(postmaster: Postmaster, clusterDir: string): Promise<boolean> {
  return (
    postmaster.status === 'ready' && (await isAlive(postmaster, clusterDir)) && (await answers(postmaster))
  );
}

/**
 * Deals with a server that an earlier start left behind: one that answers is returned, one that is on its way down is
 * waited for, and a process number that belongs to somebody else by now is forgotten.
 */
async function settlePrevious(clusterDir: string): Promise<Postmaster | null> {
  const deadline = Date.now() + previousWaitMs;
  for (;;) {
    const postmaster = await readPostmaster(clusterDir).catch((cause: unknown) => {
      throw new ConfigError(
        `The database in ${clusterDir} belongs to another user: start as the user who made it, or set VFOLDER_DATA_DIR to a directory of yours.`,
        { cause },
      );
    });
    if (postmaster === null) return null;
    if (!(await isAlive(postmaster, clusterDir))) {
      // Postgres itself settles the file of a dead server, and needs it to find that server's last children. Only
      // one whose process number now belongs to somebody else would stop it.
      if (signalled(postmaster.pid, 0)) await rm(join(clusterDir, 'postmaster.pid'), { force: true });
      return null;
    }
    if (await isServing(postmaster, clusterDir)) return postmaster;
    if (Date.now() > deadline) {
      throw new ConfigError(
        `A Postgres with process id ${postmaster.pid} holds the database in ${clusterDir} and does not answer: stop it with "kill -INT ${postmaster.pid}" and start again.`,
      );
    }
    await setTimeout(pollMs * 5);
  }
}

/**
 * A directory with a name that follows from the data directory, so that the url stays the same. A directory of that
 * name that is not ours is left alone and another one taken.
 */
async function makeSocketDir(dataDir: string, account: Account | null): Promise<string> {
  const root = await findTempRoot(account);
  const identity = `${await realpath(dataDir)}\n${process.getuid?.()}`;
  const named = join(root, `vfolder-${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`);
  const isMade = await mkdir(named, { mode: 0o700 }).then(
    () => true,
    () => false,
  );
  const dir = isMade || (await isOurs(named, account)) ? named : await mkdtemp(`${named}-`);
  if (account !== null) await chown(dir, account.uid, account.gid);
  await chmod(dir, 0o700);
  return dir;
}

async function isOurs(dir: string, account: Account | null): Promise<boolean> {
  const found = await lstat(dir);
  return (
    found.isDirectory() && found.uid === (account?.uid ?? process.getuid?.()) && (found.mode & 0o077) === 0
  );
}

interface ServerOptions {
  readonly clusterDir: string;
  readonly socketDir: string;
  readonly account: Account | null;
  readonly binaries: PostgresBinaries;
  readonly durable: boolean;
  readonly onLog: ((line: string) => void) | undefined;
}

async function startServer(options: ServerOptions): Promise<EmbeddedPostgres> {
  const { clusterDir, socketDir, account, binaries } = options;
  const place = await clusterArgument(clusterDir, account);
  const deadline = Date.now() + previousWaitMs;
  for (;;) {
    const child = await launch(
      [binaries.postgres, '-D', place, '-k', socketDir, ...serverFlags(options.durable)],
      {
        account,
        libraryPath: binaries.libraryPath,
        cwd: clusterDir,
      },
      ['ignore', 'ignore', 'pipe'],
    );
    const log = followLog(child, options.onLog);
    const exited = endOf(child);
    if (await becomesReady(child, clusterDir, exited)) return own(child, exited, socketDir);
    // Processes of a server that was killed may outlive it for a moment and keep its shared memory.
    const isHeld = /lock file|shared memory block/.test(log());
    if (!isHeld || Date.now() > deadline) throw startFailed(log());
    await setTimeout(pollMs * 10);
  }
}

/** Settings over those of initdb. Statements are kept out of the log because they hold tenants' names. */
function serverFlags(durable: boolean): string[] {
  const settings = [
    'listen_addresses=',
    'unix_socket_permissions=0700',
    'max_connections=200',
    'shared_buffers=128MB',
    'autovacuum_naptime=5s',
    'timezone=UTC',
    'log_timezone=UTC',
    'log_checkpoints=off',
    'log_min_error_statement=panic',
    ...(durable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  return settings.flatMap((setting) => ['-c', setting]);
}

/** Passes the log on and keeps its end for an error message. */
function followLog(child: ChildProcess, onLog: ((line: string) => void) | undefined): () => string {
  let tail = '';
  let open = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    tail = (tail + chunk).slice(-4096);
    const lines = (open + chunk).split('\n');
    open = lines.pop() ?? '';
    for (const line of lines) onLog?.(line);
  });
  return () => tail.trim();
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((settle) => {
    child.once('error', () => settle());
    child.once('close', () => settle());
  });
}

async function becomesReady(
  child: ChildProcess,
  clusterDir: string,
  exited: Promise<void>,
): Promise<boolean> {
  let hasEnded = false;
  void exited.then(() => {
    hasEnded = true;
  });
  const deadline = Date.now() + readyWaitMs;
  while (!hasEnded && Date.now() < deadline) {
    const postmaster = await readPostmaster(clusterDir);
    if (postmaster?.pid === child.pid && postmaster?.status === 'ready') return true;
    await setTimeout(pollMs);
  }
  if (!hasEnded) child.kill('SIGQUIT');
  await exited;
  return false;
}

function startFailed(log: string): ConfigError {
  const reasons = log.split('\n').filter((line) => /FATAL|PANIC|error|HINT/i.test(line));
  const reason = (reasons.length > 0 ? reasons : log.split('\n')).slice(-2).join(' ');
  return new ConfigError(
    `The embedded Postgres does not start (${reason}): mend that, or set DATABASE_URL to a Postgres of yours.`,
  );
}

function own(child: ChildProcess, exited: Promise<void>, socketDir: string): EmbeddedPostgres {
  const { pid } = child;
  if (pid === undefined) throw new ConfigError('The embedded Postgres has no process id.');
  return { url: socketUrl(socketDir), socketDir, pid, exited, stop: once(() => end(pid, exited, socketDir)) };
}

function adopt(postmaster: Postmaster, clusterDir: string): EmbeddedPostgres {
  const { pid, socketDir } = postmaster;
  const exited = goneFrom(postmaster, clusterDir);
  return { url: socketUrl(socketDir), socketDir, pid, exited, stop: once(() => end(pid, exited, socketDir)) };
}

async function goneFrom(postmaster: Postmaster, clusterDir: string): Promise<void> {
  while (await isAlive(postmaster, clusterDir)) await setTimeout(pollMs * 5, undefined, { ref: false });
}

async function end(pid: number, exited: Promise<void>, socketDir: string): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', fastStopMs],
    ['SIGQUIT', immediateStopMs],
  ] as const) {
    const isSent = signalled(pid, signal);
    const timer = new AbortController();
    const hasEnded = await Promise.race([
      exited.then(() => true),
      setTimeout(isSent ? waitMs : 0, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    if (!hasEnded) continue;
    await rm(socketDir, { recursive: true, force: true });
    return;
  }
  throw new Error(`Postgres (process ${pid}) does not stop.`);
}

function signalled(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= run();
    return result;
  };
}
