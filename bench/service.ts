import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { openDatabase } from '../db/client.ts';
import { startEmbeddedPostgres } from '../runtime/embedded-postgres.ts';

/** A service under measurement: supervisor, API and workers as built. */
export interface BenchService {
  readonly port: number;
  /** The administrator's keypair. */
  readonly accessKey: string;
  readonly secretKey: string;
  /** The same as a `Basic` header. */
  readonly authorization: string;
  /** The volume's root on disk. */
  readonly volumeRoot: string;
  /** Where its database listens, for contestants that run the same statements. */
  readonly databaseUrl: string;
  /** Pid of the API process. */
  apiPid(): number;
  /** Pids of the worker processes. */
  workerPids(): readonly number[];
  stop(): Promise<void>;
}

/** How to start one. */
export interface BenchServiceOptions {
  readonly dataDir: string;
  /** Default: queues in Postgres. */
  readonly redisUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const distDir = dirname(dirname(fileURLToPath(import.meta.url)));
const readyMsMax = 60_000;

/** Where a built program lies. */
export function distPath(program: string): string {
  return join(distDir, program);
}

/** Starts a built program and resolves with the first match of `ready` in what it prints. */
export async function startProgram(options: {
  readonly program: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ready: RegExp;
}): Promise<{ readonly child: ChildProcess; readonly match: RegExpMatchArray }> {
  const child = spawn(process.execPath, [distPath(options.program), ...(options.args ?? [])], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const match = await new Promise<RegExpMatchArray>((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`${options.program} ${why}:\n${output}`));
    };
    const timer = setTimeout(() => fail('is not ready in time'), readyMsMax);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        // Only the beginning matters; what follows would grow with the run.
        if (output.length < 100_000) output += text;
        const found = output.match(options.ready);
        if (found !== null) {
          clearTimeout(timer);
          resolve(found);
        }
      });
    }
    child.once('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
  });
  child.removeAllListeners('exit');
  return { child, match };
}

/** Asks a program to end and waits until it has. */
export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const late = delay(60_000, 'late', { ref: false });
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
  await ended;
}

/** A port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('A listening server has a port.');
  return address.port;
}

function childrenThatRun(parent: number, program: string): readonly number[] {
  const pids = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ');
  return pids
    .filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program))
    .map(Number);
}

function readKeypair(dataDir: string): Pick<BenchService, 'accessKey' | 'secretKey' | 'authorization'> {
  const file = JSON.parse(readFileSync(join(dataDir, 'admin-keypair.json'), 'utf8'));
  const basic = Buffer.from(`${file.access_key}:${file.secret_key}`).toString('base64');
  return { accessKey: file.access_key, secretKey: file.secret_key, authorization: `Basic ${basic}` };
}

/** Starts the service as `npm start` does, beside an embedded database whose address the contestants know. Leaves nothing when it fails. */
export async function startService(options: BenchServiceOptions): Promise<BenchService> {
  const postgres = await startEmbeddedPostgres({ dataDir: options.dataDir });
  try {
    return await startBeside(postgres, options);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

type Postgres = Awaited<ReturnType<typeof startEmbeddedPostgres>>;

async function startBeside(postgres: Postgres, options: BenchServiceOptions): Promise<BenchService> {
  const { child, match } = await startProgram({
    program: 'supervisor/main.js',
    env: {
      PORT: '0',
      LOG_LEVEL: 'warn',
      DATABASE_URL: postgres.url,
      VFOLDER_DATA_DIR: options.dataDir,
      ...(options.redisUrl === undefined ? {} : { REDIS_URL: options.redisUrl }),
      ...options.env,
    },
    ready: /is ready at http:\/\/[^:]+:(\d+)/,
  });
  let keypair: ReturnType<typeof readKeypair>;
  try {
    keypair = readKeypair(options.dataDir);
  } catch (error) {
    await stopProgram(child);
    throw error;
  }
  return {
    port: Number(match[1]),
    ...keypair,
    volumeRoot: join(options.dataDir, 'volumes', 'local'),
    databaseUrl: postgres.url,
    apiPid: () => childrenThatRun(child.pid ?? 0, 'api/main.js')[0] ?? 0,
    workerPids: () => childrenThatRun(child.pid ?? 0, 'worker/main.js'),
    stop: async () => {
      await stopProgram(child);
      await postgres.stop();
    },
  };
}

/** Lifts the limits of the default policy out of the way; before the first folder is made. */
export async function liftLimits(databaseUrl: string): Promise<void> {
  const { db, close } = openDatabase({ url: databaseUrl, connectionsMax: 1, applicationName: 'bench' });
  await db.execute(sql`
    UPDATE policies SET folders_max = 1000000, folder_bytes_max = ${2 ** 50}::bigint, folder_files_max = 100000000`);
  await close(5);
}
