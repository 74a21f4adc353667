import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../runtime/config-error.ts';

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

/** A hard link appears whole or fails, so of two that try at once one wins. */
async function take(draft: string, path: string, dataDir: string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    try {
      await link(draft, path);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const holder = await readFile(path, 'utf8').catch(() => '');
    const [pid = '', startTime = ''] = holder.trim().split(' ');
    if (holder !== '' && (await startTimeOf(Number(pid))) === startTime) throw inUse(dataDir, pid);
    const aside = `${draft}.stale`;
    await rename(path, aside).catch(() => undefined);
    // Somebody who found it stale too may have been faster, and what was moved is their fresh lock: it goes back.
    if ((await readFile(aside, 'utf8').catch(() => holder)) !== holder)
      await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
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
