import { env } from 'node:process';
import { type DatabaseClient, openDatabase } from '../db/client.ts';
import { assertMigrated } from '../db/migrate.ts';
import { claimSetting } from '../db/queries/settings.ts';
import { openSecretBox, type SecretBox } from '../db/secret-box.ts';
import { type OpenJobClient, openJobClient } from '../jobs/open-job-client.ts';
import { type Config, readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { findEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import { loadEncryptionKey, requireSameKey } from '../runtime/encryption-key.ts';
import { createLifecycle, type ShutdownStep } from '../runtime/lifecycle.ts';
import { createLogger, type ProcessLogger } from '../runtime/logger.ts';
import { followParent } from '../runtime/parent.ts';
import { runMain } from '../runtime/run-main.ts';
import { version } from '../runtime/version.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';
import { isOutage } from './http/outage.ts';
import { routes } from './routes.ts';
import { type ApiServer, createServer } from './server.ts';

const connectionsMax = 20;
/** What each step after the HTTP server gets to end in. */
const closeMs = 5_000;

async function findDatabaseUrl(config: Config): Promise<string> {
  const url = config.databaseUrl ?? (await findEmbeddedPostgres(config.dataDir));
  if (url !== null) return url;
  throw new ConfigError(
    'No database is known: set DATABASE_URL, or run "npm start" first, which brings one.',
  );
}

async function openSecrets(config: Config, database: DatabaseClient): Promise<SecretBox> {
  const { encryptionKey: given, dataDir } = config;
  const key = await loadEncryptionKey({ given, dataDir });
  await requireSameKey(key, (mark) => claimSetting(database.db, 'encryption_key_fingerprint', mark));
  return openSecretBox(key);
}

async function openMigratedDatabase(url: string): Promise<DatabaseClient> {
  const database = openDatabase({ url, connectionsMax, applicationName: 'vfolder-api' });
  try {
    await assertMigrated(database.db);
    return database;
  } catch (cause) {
    await database.close(1);
    if (!isOutage(cause)) throw cause;
    const mend = 'start it, or set DATABASE_URL to one that runs.';
    throw new ConfigError(`The database cannot be reached: ${mend}`, { cause });
  }
}

async function openVolumes(config: Config): Promise<ReadonlyMap<string, PosixVolume>> {
  const open = async ([name, root]: readonly [string, string]) => {
    try {
      return [name, await openPosixVolume({ name, root })] as const;
    } catch (cause) {
      const mend = 'set VFOLDER_VOLUMES to a directory that can be written';
      throw new ConfigError(`The volume "${name}" at ${root} cannot be opened: ${mend}.`, { cause });
    }
  };
  return new Map(await Promise.all([...config.volumes].map(open)));
}

async function listen(server: ApiServer, { port, host }: Config): Promise<number> {
  try {
    return await server.listen({ port, host });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new ConfigError(`Port ${port} is in use: set PORT to a free one.`, { cause });
    }
    if (code === 'EACCES')
      throw new ConfigError(`Port ${port} may not be used: set PORT above 1023.`, { cause });
    throw new ConfigError(`HOST "${host}" cannot be listened on: set HOST to an address of this machine.`, {
      cause,
    });
  }
}

interface Parts {
  readonly server: ApiServer;
  readonly jobs: OpenJobClient;
  readonly volumes: ReadonlyMap<string, PosixVolume>;
  readonly database: DatabaseClient;
}

// From the outside in: first no new requests, last the database that everything else writes to.
function shutdownSteps(parts: Parts, shutdownMs: number): readonly ShutdownStep[] {
  const { server, jobs, volumes, database } = parts;
  return [
    { name: 'http.close', deadlineMs: shutdownMs + 1_000, run: () => server.close(shutdownMs) },
    { name: 'jobs.close', deadlineMs: closeMs, run: () => jobs.close() },
    {
      name: 'volumes.close',
      deadlineMs: closeMs,
      run: async () => {
        await Promise.all([...volumes.values()].map((volume) => volume.close()));
      },
    },
    { name: 'database.close', deadlineMs: closeMs, run: () => database.close(closeMs / 1000 - 1) },
  ];
}

async function openParts(config: Config, logger: ProcessLogger): Promise<Parts> {
  const databaseUrl = await findDatabaseUrl(config);
  const database = await openMigratedDatabase(databaseUrl);
  const secrets = await openSecrets(config, database);
  const volumes = await openVolumes(config);
  const { db } = database;
  const { redisUrl, defaultVolume } = config;
  const jobs = await openJobClient({ db, databaseUrl, redisUrl, volumes: [...volumes.keys()], logger });
  const server = createServer({
    services: { db, jobs, volumes, defaultVolume, secrets, version },
    routes,
    logger,
    allowPlainSecrets: config.allowsPlainSecrets,
    trustedProxies: config.trustedProxies,
    requestsPerWindowMax: config.rateLimit,
  });
  return { server, jobs, volumes, database };
}

async function main(): Promise<void> {
  followParent();
  const config = readConfig(env);
  const logger = createLogger({ role: 'api', level: config.logLevel });
  const parts = await openParts(config, logger);
  const port = await listen(parts.server, config);
  createLifecycle({ logger, steps: shutdownSteps(parts, config.shutdownMs) });
  logger.info({ port, host: config.host, version }, 'api.ready');
  process.send?.({ type: 'ready', port });
}

runMain(main);
