import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../runtime/config-error.ts';

const attemptsMax = 100;
const attemptMs = 20;

/**
 * Makes this process the only supervisor of a data directory, by a file that names it. A file left behind by a
 * process that is gone is replaced.
 * @returns the release
 * @throws ConfigError when another process has it
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new ConfigError(
      `The data directory ${dataDir} cannot be made: set VFOLDER_DATA_DIR to a directory of yours.`,
      {
        cause,
      },
    );
  });
  const path = join(dataDir, 'supervisor.lock');
  const draft = `${path}.${randomUUID()}`;
  const content = `${process.pid} ${await startTimeOf(process.pid)}\n`;
  await writeFile(draft, content, { mode: 0o644 }).catch((cause: unknown) => {
    throw new ConfigError(
      `The data directory ${dataDir} cannot be written to: set VFOLDER_DATA_DIR to a directory of yours.`,
      {
        cause,
      },
    );
  });
  try {
    await take(draft, path, dataDir);
  } finally {
    await rm(draft, { force: true });
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => '')) === content) await rm(path, { force: true });
  };
}

/** A hard link appears whole or fails, so of two that try at once one wins. @returns whether it was ours to make */
async function linkOnce(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The process in a lock file, and whether it lives; `null` when there is no such file. */
async function readHolder(path: string): Promise<{ pid: string; isLive: boolean } | null> {
  const content = await readFile(path, 'utf8').catch(() => null);
  if (content === null) return null;
  const [pid = '', startTime = ''] = content.trim().split(' ');
  return { pid, isLive: startTime !== '' && (await startTimeOf(Number(pid))) === startTime };
}

/** Removes the lock of a process that is gone. @returns false when somebody else is at it */
async function removeStale(draft: string, path: string, takeover: string): Promise<boolean> {
  // Whoever finds it stale may be late and remove a fresh one, so only one at a time looks again and removes.
  if (!(await linkOnce(draft, takeover))) return false;
  try {
    if ((await readHolder(path))?.isLive === false) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
  return true;
}

/** Its maker died within the few system calls it takes; nobody alive holds it for long. */
async function removeDeadTakeover(takeover: string): Promise<void> {
  if ((await readHolder(takeover))?.isLive === false) await rm(takeover, { force: true });
}

async function take(draft: string, path: string, dataDir: string): Promise<void> {
  const takeover = `${path}.takeover`;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    if (await linkOnce(draft, path)) return;
    const holder = await readHolder(path);
    if (holder?.isLive === true) throw inUse(dataDir, holder.pid);
    if (await removeStale(draft, path, takeover)) continue;
    await delay(attemptMs);
    if (attempt === attemptsMax / 2) await removeDeadTakeover(takeover);
  }
  throw inUse(dataDir, 'unknown');
}

function inUse(dataDir: string, pid: string): ConfigError {
  return new ConfigError(
    `Another "npm start" (process ${pid}) runs on ${dataDir}: stop it, or set VFOLDER_DATA_DIR to another directory.`,
  );
}

/** When a process started, in the kernel's words, so that a reused process number is not taken for it; `gone` without one. */
async function startTimeOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return isAlive(pid) ? 'alive' : 'gone';
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // proc(5): the fields after the command name, which may hold anything, begin with field 3; the start time is field 22.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'gone';
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
