import { readFile, readlink, realpath } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/** What `postmaster.pid` of a cluster says about the server that runs, or ran, on it. */
export interface Postmaster {
  readonly pid: number;
  readonly socketDir: string;
  /** Line 8, such as `starting`, `ready`, `stopping`; empty while the file is being written. */
  readonly status: string;
}

/** Reads `postmaster.pid` (lines as in Postgres' pidfile.h), `null` when there is none or it is not complete. */
export async function readPostmaster(clusterDir: string): Promise<Postmaster | null> {
  const text = await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  return { pid, socketDir: lines[4] ?? '', status: lines[7] ?? '' };
}

/**
 * Tells whether the process of `postmaster` is alive and serves this cluster. Process numbers are reused, in
 * containers after every restart; a postmaster's working directory is its cluster, which no other process has.
 */
export async function isAlive(postmaster: Postmaster, clusterDir: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const cwd = await readlink(`/proc/${postmaster.pid}/cwd`).catch(() => null);
    return cwd !== null && cwd === (await realpath(clusterDir));
  }
  try {
    process.kill(postmaster.pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Tells whether somebody listens on the server's socket. */
export function answers(postmaster: Postmaster): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(postmaster.socketDir, '.s.PGSQL.5432'));
    const settle = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.setTimeout(1000, () => settle(false));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

/** The `DATABASE_URL` for a server behind a Unix socket; postgres.js needs the socket's path beside it, see db/socket-path.ts. */
export function socketUrl(socketDir: string): string {
  return `postgres://vfolder@${encodeURIComponent(socketDir)}/vfolder`;
}
