import { readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../runtime/config.ts';
import { bad, type Check, type Finding, ok, skipped } from './finding.ts';
import { judgeRoom, judgeSecretMode } from './thresholds.ts';

const openFilesMin = 4_096;
const threadsPerVolumeMin = 4;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > 20 || (major === 20 && minor >= 19);
  return isEnough
    ? ok(process.versions.node)
    : bad(process.versions.node, 'Install Node 20.19 or later; 22 or 24 is better.');
}

async function openFiles(): Promise<Finding> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined) return skipped('this system does not tell');
  const isEnough = soft === 'unlimited' || Number(soft) >= openFilesMin;
  return isEnough
    ? ok(`${soft} open files`)
    : bad(
        `${soft} open files`,
        `Raise the limit: ulimit -n ${openFilesMin * 4}, or LimitNOFILE= of the unit.`,
      );
}

async function ownership(path: string): Promise<Finding> {
  const { uid, mode } = await stat(path);
  const own = process.getuid?.();
  if (own !== undefined && uid !== own) {
    return bad(
      `owned by uid ${uid}, examined as uid ${own}`,
      `Run as uid ${uid}, or give it to uid ${own}: chown -R ${own} ${path}`,
    );
  }
  if ((mode & 0o022) !== 0) return bad('others may write to it', `Run: chmod go-w ${path}`);
  return ok(`owned by uid ${uid}, mode ${(mode & 0o777).toString(8)}`);
}

async function secretFile(path: string): Promise<Finding> {
  try {
    return judgeSecretMode((await stat(path)).mode, path);
  } catch (error) {
    if (isMissing(error)) return skipped('not there; given in the environment, or not yet made');
    throw error;
  }
}

async function room(path: string): Promise<Finding> {
  const { bavail, blocks, bsize } = await statfs(path);
  return judgeRoom({ free: bavail * bsize, total: blocks * bsize }, 'bytes');
}

function threads({ threads, volumes }: Config): Finding {
  const detail = `${threads} threads for ${volumes.size} volume(s)`;
  if (threads >= threadsPerVolumeMin * volumes.size) return ok(detail);
  return bad(detail, 'Set UV_THREADPOOL_SIZE to 16 for each volume and 16 more.');
}

/** What concerns this machine and the data directory. */
export function hostChecks(config: Config): Check[] {
  const { dataDir } = config;
  const mend = `Make ${dataDir} readable for the user of the service, or set VFOLDER_DATA_DIR.`;
  return [
    { name: 'Node', run: nodeVersion, mend: 'Install Node 20.19 or later.' },
    { name: 'open files', run: openFiles, mend: 'Raise the limit of open files.' },
    { name: 'threads', run: () => threads(config), mend: 'Set UV_THREADPOOL_SIZE.' },
    { name: 'data directory', run: () => ownership(dataDir), mend },
    { name: 'data directory: room', run: () => room(dataDir), mend },
    { name: 'encryption key file', run: () => secretFile(join(dataDir, 'encryption.key')), mend },
    { name: 'administrator keypair file', run: () => secretFile(join(dataDir, 'admin-keypair.json')), mend },
  ];
}
