import { chown, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from '../config-error.ts';
import { type Account, canTraverse } from './account.ts';
import type { PostgresBinaries } from './binaries.ts';
import { type LaunchOptions, type Run, run } from './launch.ts';

/** What making or opening a cluster needs. */
export interface ClusterOptions {
  readonly clusterDir: string;
  readonly account: Account | null;
  readonly binaries: PostgresBinaries;
  /** `false` leaves the files to the kernel's write-back; for tests. */
  readonly durable: boolean;
}

/**
 * What `postgres -D` gets for a directory that the process has as its working directory. A directory below a private
 * home cannot be named by its path by another user, but `/proc/self/cwd` leads into it without a look at the
 * directories above; every Postgres process stays in its cluster, so the name holds for all of them.
 * @throws ConfigError when there is no way to the directory
 */
export async function clusterArgument(clusterDir: string, account: Account | null): Promise<string> {
  if (await canTraverse(clusterDir, account)) return clusterDir;
  if (process.platform === 'linux') return '/proc/self/cwd';
  throw new ConfigError(
    `Postgres does not run as root, and no other user can enter ${dirname(clusterDir)}: set VFOLDER_DATA_DIR to a directory outside of private homes, or start as another user.`,
  );
}

/**
 * Makes the cluster with role and database `vfolder` unless it exists. It appears under its name only when complete
 * and, if durable, on disk.
 * @throws ConfigError when it cannot be made, or belongs to another version of Postgres or another user
 */
export async function ensureCluster(options: ClusterOptions): Promise<void> {
  const { clusterDir, binaries } = options;
  const version = await readFile(join(clusterDir, 'PG_VERSION'), 'utf8').catch(whenMissing);
  if (version === null) return createCluster(options);
  if (version.trim() !== binaries.majorVersion) {
    throw new ConfigError(
      `The database in ${clusterDir} was made by Postgres ${version.trim()} and this is Postgres ${binaries.majorVersion}: start the version of vfolder that made it, or set VFOLDER_DATA_DIR to a new directory.`,
    );
  }
}

function whenMissing(error: unknown): null {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return null;
  if (code !== 'EACCES') throw error;
  throw new ConfigError(
    'The database directory belongs to another user: start as the user who made it, or set VFOLDER_DATA_DIR to a directory of yours.',
    { cause: error },
  );
}

async function createCluster(options: ClusterOptions): Promise<void> {
  const { clusterDir, account, binaries, durable } = options;
  const left = await readdir(clusterDir).catch(() => []);
  if (left.length > 0) {
    throw new ConfigError(
      `${clusterDir} is not a Postgres database and not empty: empty it, or set VFOLDER_DATA_DIR to another directory.`,
    );
  }
  const fresh = `${clusterDir}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  if (account !== null) await chown(fresh, account.uid, account.gid);
  const place = await clusterArgument(fresh, account);
  const launchOptions = { account, libraryPath: binaries.libraryPath, cwd: fresh };
  const steps: readonly { readonly command: [string, ...string[]]; readonly input?: string }[] = [
    { command: [binaries.initdb, '-D', place, ...initdbFlags] },
    {
      command: [binaries.postgres, '--single', '-F', '-D', place, 'postgres'],
      input: 'CREATE DATABASE vfolder STRATEGY = file_copy\n',
    },
    ...(durable ? [{ command: syncCommand(binaries, place) }] : []),
  ];
  for (const step of steps) await runNamed(step, launchOptions);
  await rename(fresh, clusterDir);
  if (durable) await syncDir(dirname(clusterDir));
}

/** The builtin C.UTF-8 locale behaves the same on every machine, whatever LANG says. Files are synced once, at the end. */
const initdbFlags = [
  '--username=vfolder',
  '--auth=trust',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--no-sync',
];

function syncCommand(binaries: PostgresBinaries, place: string): [string, ...string[]] {
  const method = process.platform === 'linux' ? ['--sync-method=syncfs'] : [];
  return [binaries.initdb, '--sync-only', ...method, '-D', place];
}

/**
 * initdb insists on a name for its user, and containers like to run as a user without one. A user namespace in which
 * we are called like somebody in /etc/passwd gives it one; the files are ours all the same.
 */
async function runNamed(
  step: { readonly command: [string, ...string[]]; readonly input?: string },
  options: LaunchOptions,
): Promise<void> {
  const first = await attempt(step.command, step, options);
  if (first.isOk) return;
  if (!/could not look up effective user ID/.test(first.output)) throw initFailed(first.output);
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const uid = passwd.match(/^[^:]*:[^:]*:([1-9]\d*):/m)?.[1] ?? '65534';
  const renamed: [string, ...string[]] = ['unshare', '--user', `--map-user=${uid}`, '--', ...step.command];
  const second = await attempt(renamed, step, options);
  if (second.isOk) return;
  throw new ConfigError(
    `The user id ${options.account?.uid ?? process.getuid?.()} has no entry in /etc/passwd, which Postgres needs to make its database: start as a user who has one, or set DATABASE_URL to a Postgres of yours.`,
    { cause: second.output },
  );
}

function attempt(
  command: [string, ...string[]],
  step: { readonly input?: string },
  options: LaunchOptions,
): Promise<Run> {
  return run(command, step.input === undefined ? options : { ...options, input: step.input });
}

function initFailed(output: string): ConfigError {
  const last = output.trim().split('\n').slice(-3).join(' ');
  return new ConfigError(
    `The embedded Postgres cannot make its database (${last}): mend that, or set DATABASE_URL to a Postgres of yours.`,
  );
}

async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
