import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type ClonedDatabase, cloneDatabase } from '../../support/clone-database.ts';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Client, createClient, type Witness } from './http-client.ts';
import { childrenOf } from './process-tree.ts';
import type { Keypair } from './signature.ts';

/** Where the queues of a service under test run. */
export type QueueBackend = 'postgres' | 'redis';

/** What belongs to a service beside its processes; several processes may share it. */
export interface Ground {
  readonly backend: QueueBackend;
  /** The administrator's keypair. */
  readonly admin: Keypair;
  readonly dataDir: string;
  /** Root of the only volume, named `local`. */
  readonly volumeRoot: string;
  readonly databaseUrl: string;
  /** The server behind the queues; `undefined` on Postgres. */
  readonly redis: TestRedis | undefined;
  /** The environment of every process of this service. */
  readonly env: Readonly<Record<string, string>>;
  /** Drops database, Redis and directories. Stop the processes before. */
  remove(): Promise<void>;
}

/** How to lay the ground, or start a service on it. `env` is added to, and wins over, what the service gets. */
export interface GroundOptions {
  readonly backend: QueueBackend;
  readonly env?: Readonly<Record<string, string>>;
}

/** Lays the ground for processes to start on: a cloned database, queues, directories and an administrator. */
export async function layGround(options: GroundOptions): Promise<Ground> {
  const dir: TempDir = await createTempDir();
  const database: ClonedDatabase = await cloneDatabase();
  const redis = options.backend === 'redis' ? await startRedis() : undefined;
  const dataDir = join(dir.path, 'data');
  const volumeRoot = join(dir.path, 'volume');
  const admin = { accessKey: 'E2EADMIN', secretKey: randomBytes(20).toString('hex') };
  return {
    backend: options.backend,
    admin,
    dataDir,
    volumeRoot,
    databaseUrl: database.url,
    redis,
    env: {
      DATABASE_URL: database.url,
      ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
      PORT: '0',
      LOG_LEVEL: 'warn',
      VFOLDER_DATA_DIR: dataDir,
      VFOLDER_VOLUMES: `local=${volumeRoot}`,
      VFOLDER_ADMIN_ACCESS_KEY: admin.accessKey,
      VFOLDER_ADMIN_SECRET_KEY: admin.secretKey,
      ...options.env,
    },
    remove: async () => {
      await database.drop();
      await redis?.stop();
      await dir.remove();
    },
  };
}

/** A whole service: supervisor, API and workers as real processes. */
export interface Service extends Ground {
  readonly url: string;
  readonly supervisor: TestProcess;
  /** The administrator's client. */
  readonly administrator: Client;
  /** A client of any keypair; without one it sends no credentials. Closed with the service. */
  client(keypair?: Keypair): Client;
  /** Pids of the running API (one, or none while it is started again) and of the workers, as of now. */
  pids(): { readonly api: readonly number[]; readonly workers: readonly number[] };
  /** Stops everything in order and removes what it kept; throws when a process does not end by itself. */
  stop(): Promise<void>;
}

/** How to start a whole service. `workers` defaults to 2. `witness` sees the answers to all its clients. */
export interface ServiceOptions extends GroundOptions {
  readonly workers?: number;
  readonly witness?: Witness;
}

/**
 * Starts a service as `npm start` does, on a database, a port and directories of its own, and waits until it is ready
 * (about two seconds). The supervisor starts children again that are killed.
 *
 *     const service = await startService({ backend: 'redis' });
 *     afterAll(() => service.stop());
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const ground = await layGround(options);
  const clients: Client[] = [];
  try {
    const supervisor = await startProcess({
      program: 'supervisor/main.js',
      env: { ...ground.env, VFOLDER_WORKERS: String(options.workers ?? 2) },
      ready: /is ready at (http:\S+)/,
      timeoutMs: 45_000,
    });
    const url = readUrl(supervisor);
    const client = (keypair?: Keypair): Client => {
      const made = createClient(url, keypair, options.witness);
      clients.push(made);
      return made;
    };
    return {
      ...ground,
      url,
      supervisor,
      administrator: client(ground.admin),
      client,
      pids: () => pidsOf(supervisor.pid),
      stop: async () => {
        for (const made of clients) made.close();
        const code = await supervisor.stop(60_000);
        await ground.remove();
        if (code !== 0) throw new Error(`The service ended with ${code}:\n${supervisor.output()}`);
      },
    };
  } catch (error) {
    await ground.remove();
    throw error;
  }
}

function readUrl(supervisor: TestProcess): string {
  const { readiness } = supervisor;
  const url: unknown = Array.isArray(readiness) ? readiness[1] : undefined;
  if (typeof url !== 'string') throw new Error('The supervisor prints the url.');
  return url;
}

function pidsOf(supervisorPid: number) {
  const children = childrenOf(supervisorPid);
  const running = (program: string) =>
    children.filter(({ command }) => command.includes(program)).map(({ pid }) => pid);
  return { api: running('api/main.js'), workers: running('worker/main.js') };
}

/** Makes the database of `ground` ready, as `npm run migrate` does; before the first single process. */
export async function prepareGround(ground: Ground): Promise<void> {
  const migrate = await startProcess({
    program: 'supervisor/migrate.js',
    env: ground.env,
    ready: /The database is ready\./,
  });
  const code = await migrate.exited;
  if (code !== 0) throw new Error(`Preparing the database ended with ${code}: ${migrate.output()}`);
}

/** One API process, as `npm run start:api` starts it. */
export interface ApiProcess {
  readonly url: string;
  readonly process: TestProcess;
}

/** Starts one API process on `ground`, on a free port; any number may share it. Stop its `process` when done. */
export async function startApi(
  ground: Ground,
  env: Readonly<Record<string, string>> = {},
): Promise<ApiProcess> {
  const process = await startProcess({
    program: 'api/main.js',
    env: { ...ground.env, ...env },
    ready: 'message',
  });
  const { readiness } = process;
  const port = Array.isArray(readiness) ? undefined : Reflect.get(readiness, 'port');
  return { url: `http://127.0.0.1:${port}`, process };
}

/** Starts one worker process on `ground`, as `npm run start:worker` does. Stop it when done. */
export function startWorker(
  ground: Ground,
  env: Readonly<Record<string, string>> = {},
): Promise<TestProcess> {
  return startProcess({ program: 'worker/main.js', env: { ...ground.env, ...env }, ready: 'message' });
}
