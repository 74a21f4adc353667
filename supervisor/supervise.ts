import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Config, Environment } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { createLifecycle, type Lifecycle, type ProcessControl } from '../runtime/lifecycle.ts';
import type { ProcessLogger } from '../runtime/logger.ts';
import type { StartWord } from '../runtime/parent.ts';
import { version } from '../runtime/version.ts';
import { adminKeypairPath } from './admin-keypair.ts';
import { type SupervisedChild, superviseChild } from './child.ts';
import { type SupervisedDatabase, superviseDatabase } from './database.ts';
import { lockDataDir } from './lock.ts';
import { probePort, urlOf } from './port.ts';
import type { AdminAccess } from './prepare.ts';

/** What one machine's service is made of. */
export interface SuperviseOptions {
  readonly config: Config;
  readonly env: Environment;
  readonly logger: ProcessLogger;
  /** The programs to run. */
  readonly entries: { readonly api: URL; readonly worker: URL };
  /** Gets what people should read, a line at a time. */
  say(line: string): void;
  readonly control?: ProcessControl;
}

/** How long a database that is being prepared is kept up for it when the service stops. */
const preparedMsMax = 10_000;
/** For the API alone: workers lose more CPU by it than memory is worth to them. */
const holdYoungHeap = new URL(
  `../runtime/hold-young-heap.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);
/** Beyond the time that a child gives itself to end. */
const graceMs = 5_000;

/** What is running; filled as the start goes on, so that a stop in the middle finds it. */
interface Running {
  release: (() => Promise<void>) | undefined;
  database: Promise<SupervisedDatabase> | undefined;
  /** Settles when nobody prepares the database any more. */
  prepared: Promise<unknown> | undefined;
  api: SupervisedChild | undefined;
  workers: SupervisedChild[];
}

/**
 * Runs the whole service: lock, database, tables, API, workers, in this order, and ends it in the reverse. The programs
 * load while the database comes up and begin when they hear that its tables are ready. Resolves when everything is
 * ready; the process then lives until a signal.
 * @throws ConfigError when something does not start; what was started is stopped by then
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const running: Running = {
    release: undefined,
    database: undefined,
    prepared: undefined,
    api: undefined,
    workers: [],
  };
  const lifecycle = createLifecycle({
    logger: options.logger,
    steps: [
      ...shutdownSteps(options, running),
      { name: 'say', deadlineMs: 1_000, run: async () => options.say('Stopped.') },
    ],
    ...(options.control === undefined ? {} : { control: options.control }),
  });
  lifecycle.signal.addEventListener('abort', () => options.say('\nStopping …'));
  try {
    await startAll(options, running, lifecycle);
  } catch (error) {
    // A stop during the start makes the start fail; that is no failure.
    if (lifecycle.signal.aborted) return;
    for (const step of shutdownSteps(options, running)) await step.run().catch(() => undefined);
    throw error;
  }
}

async function startAll(options: SuperviseOptions, running: Running, lifecycle: Lifecycle): Promise<void> {
  const { config, logger, say } = options;
  const { signal } = lifecycle;
  running.release = await lockDataDir(config.dataDir);
  const port = await probePort(config.host, config.port);
  signal.throwIfAborted();
  const isFirst = config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres'));
  if (isFirst) say('Making the database …');
  running.database = superviseDatabase(config, logger);
  const prepared = prepare(options, running.database, signal);
  running.prepared = prepared.catch(() => undefined);
  // Making a database takes all cores for a while; programs that load meanwhile would only make it take longer.
  if (isFirst) await running.database;
  signal.throwIfAborted();
  startChildren(options, running, {
    port,
    word: prepared.then(({ databaseUrl }) => ({ type: 'start', databaseUrl })),
  });
  const ready = [running.api, ...running.workers].map((child) => child?.ready);
  const [{ admin }] = await Promise.all([prepared, ...ready]);
  signal.throwIfAborted();
  for (const line of greeting({ config, url: urlOf(config.host, port), admin, cwd: process.cwd() }))
    say(line);
}

/** What prepares the database is loaded while the database starts. */
async function prepare(
  { config, logger }: SuperviseOptions,
  starting: Promise<SupervisedDatabase>,
  signal: AbortSignal,
): Promise<{ readonly databaseUrl: string; readonly admin: AdminAccess }> {
  const [{ url: databaseUrl }, { prepareDatabase }] = await Promise.all([starting, import('./prepare.ts')]);
  signal.throwIfAborted();
  return { databaseUrl, admin: await prepareDatabase(databaseUrl, config, logger) };
}

function startChildren(
  options: SuperviseOptions,
  running: Running,
  at: { readonly port: number; readonly word: Promise<StartWord> },
): void {
  const env = childEnv(options, at.port);
  const envOf = (number: number) => ({ ...env, ...metricsPortOf(options.config, number) });
  const shared = { word: at.word, notify: (line: string) => options.say(line) };
  const { api: entry } = options.entries;
  running.api = superviseChild({ ...shared, env: envOf(0), name: 'API', entry, preload: holdYoungHeap });
  for (let number = 1; number <= options.config.workers; number += 1) {
    const name = `worker ${number}`;
    running.workers.push(
      superviseChild({ ...shared, env: envOf(number), name, entry: options.entries.worker }),
    );
  }
}

/** Every process needs a port of its own: the API the one that is set, each worker the one its number further. */
function metricsPortOf({ metrics }: Config, number: number): Environment {
  if (metrics === undefined || metrics.port === 0) return {};
  const port = metrics.port + number;
  if (port <= 65_535) return { VFOLDER_METRICS_PORT: String(port) };
  throw new ConfigError('VFOLDER_METRICS_PORT leaves no ports for the workers: set it lower.');
}

/** Enough for every volume's calls (boot/open-volumes.ts) and for everything else; 1,024 is libuv's bound. */
function threadsFor(volumes: number): number {
  return Math.min(1024, 16 * (volumes + 1));
}

/** The terminal stays readable: unless asked, the processes only tell what is wrong. */
function childEnv({ env, config }: SuperviseOptions, port: number): Environment {
  return {
    ...env,
    UV_THREADPOOL_SIZE: env.UV_THREADPOOL_SIZE?.trim() || String(threadsFor(config.volumes.size)),
    LOG_LEVEL: env.LOG_LEVEL || 'warn',
    PORT: String(port),
    VFOLDER_DATA_DIR: config.dataDir,
  };
}

function shutdownSteps({ config }: SuperviseOptions, running: Running) {
  const childMs = config.shutdownMs + graceMs;
  return [
    {
      name: 'api.stop',
      deadlineMs: childMs + graceMs,
      run: async () => running.api?.stop(childMs),
    },
    {
      name: 'workers.stop',
      deadlineMs: childMs + graceMs,
      run: async () => {
        await Promise.all(running.workers.map((worker) => worker.stop(childMs)));
      },
    },
    {
      name: 'postgres.stop',
      deadlineMs: 30_000,
      run: async () => {
        const database = await running.database?.catch(() => undefined);
        // The driver does not bear to lose its connection between two statements of a migration (porsager/postgres#1216).
        await Promise.race([running.prepared, setTimeout(preparedMsMax, undefined, { ref: false })]);
        await database?.stop();
      },
    },
    {
      name: 'lock.release',
      deadlineMs: 1_000,
      run: async () => running.release?.(),
    },
  ];
}

function greeting(facts: {
  readonly config: Config;
  readonly url: string;
  readonly admin: AdminAccess;
  readonly cwd: string;
}): string[] {
  const { config, url, admin, cwd } = facts;
  const dataDir = relative(cwd, config.dataDir) || '.';
  const shown = dataDir.startsWith('..') ? config.dataDir : dataDir;
  return [
    '',
    `vfolder ${version} is ready at ${url} (workers: ${config.workers}, queues: ${config.redisUrl === undefined ? 'Postgres' : 'Redis'})`,
    '',
    ...keypairLines(admin, adminKeypairPath(shown)),
    '',
    '  Stop it with Ctrl-C; the next start finds everything again.',
    ...(config.databaseUrl === undefined ? [`  Delete everything with: rm -rf ${shown}`] : []),
    '',
  ];
}

function keypairLines({ origin, keypair }: AdminAccess, path: string): string[] {
  switch (origin) {
    case 'made':
      return [
        `  access key  ${keypair?.accessKey}`,
        `  secret key  ${keypair?.secretKey}`,
        `  (the administrator's; kept in ${path})`,
      ];
    case 'file':
      return [`  The administrator's keypair is in ${path}`];
    case 'given':
      return [`  The administrator's access key is ${keypair?.accessKey}, from VFOLDER_ADMIN_ACCESS_KEY`];
    case 'elsewhere':
      return ['  The database has an administrator already; set VFOLDER_ADMIN_* to add another keypair.'];
  }
}
