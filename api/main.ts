import '../runtime/hold-young-heap.ts';
import { env } from 'node:process';
import { listenForReaders } from '../boot/listen-for-readers.ts';
import { type OpenedDatabase, openMigratedDatabase } from '../boot/open-database.ts';
import { type OpenedTracing, openTracing } from '../boot/open-tracing.ts';
import { closeVolumes, openVolumes } from '../boot/open-volumes.ts';
import { requireVolumes } from '../boot/require-volumes.ts';
import { claimSetting } from '../db/queries/settings.ts';
import { openSecretBox, type SecretBox } from '../db/secret-box.ts';
import { type OpenJobClient, openJobClient } from '../jobs/open-job-client.ts';
import { openRateCounts, type SharedRateCounts } from '../jobs/rate-counts.ts';
import { throttledWarning } from '../jobs/throttled-warning.ts';
import { type Metrics, openMetrics } from '../metrics/open-metrics.ts';
import { type Config, readConfig } from '../runtime/config.ts';
import { loadEncryptionKey, requireSameKey } from '../runtime/encryption-key.ts';
import { createLifecycle, type ShutdownStep } from '../runtime/lifecycle.ts';
import { listenError } from '../runtime/listen-error.ts';
import { createLogger, type ProcessLogger } from '../runtime/logger.ts';
import { followParent, receiveStart, tellReady } from '../runtime/parent.ts';
import { runMain } from '../runtime/run-main.ts';
import { openUnsentBytes } from '../runtime/unsent-bytes.ts';
import { version } from '../runtime/version.ts';
import { letYoungHeapGrow } from '../runtime/young-heap.ts';
import type { PosixVolume } from '../storage/posix/posix-volume.ts';
import { routes } from './routes.ts';
import { type ApiServer, createServer } from './server.ts';
import { shareUploadStatements } from './uploads/statements.ts';

const connectionsMax = 20;
/** What each step after the HTTP server gets to end in. */
const closeMs = 5_000;
/** What a collector gets to take the last spans in. */
const flushMs = 3_000;
/** How long clients may leave a connection unused before it is closed at the end; busy ones use it and are told. */
const lingerMs = 1_000;

async function openSecrets(config: Config, database: OpenedDatabase): Promise<SecretBox> {
  const { encryptionKey: given, dataDir } = config;
  const key = await loadEncryptionKey({ given, dataDir });
  await requireSameKey(key, (mark) => claimSetting(database.db, 'encryption_key_fingerprint', mark));
  return openSecretBox(key);
}

async function listen(server: ApiServer, { port, host }: Config): Promise<number> {
  return await server.listen({ port, host }).catch((cause: unknown) => {
    throw listenError(cause, { port, host, portName: 'PORT', hostName: 'HOST' });
  });
}

interface Parts {
  readonly server: ApiServer;
  readonly metrics: Metrics | undefined;
  readonly tracing: OpenedTracing | undefined;
  readonly stopping: AbortController;
  readonly jobs: OpenJobClient;
  readonly rateCounts: SharedRateCounts;
  readonly volumes: ReadonlyMap<string, PosixVolume>;
  readonly database: OpenedDatabase;
}

// From the outside in: first no new requests, last the database that everything else writes to.
function shutdownSteps(parts: Parts, config: Config): readonly ShutdownStep[] {
  const { server, stopping, metrics, tracing, jobs, rateCounts, volumes, database } = parts;
  const { shutdownMs, drainMs } = config;
  const stopServer = () => {
    stopping.abort();
    return server.close(shutdownMs, { drainMs, lingerMs });
  };
  return [
    { name: 'http.close', deadlineMs: shutdownMs + 1_000, run: stopServer },
    // Kept until here, for the end of the requests is worth a look.
    { name: 'metrics.close', deadlineMs: closeMs, run: async () => metrics?.close() },
    { name: 'jobs.close', deadlineMs: closeMs, run: () => jobs.close() },
    { name: 'tracing.close', deadlineMs: closeMs, run: async () => tracing?.close(flushMs) },
    { name: 'rate.close', deadlineMs: closeMs, run: () => rateCounts.close() },
    {
      name: 'volumes.close',
      deadlineMs: closeMs,
      run: () => closeVolumes(volumes),
    },
    { name: 'database.close', deadlineMs: closeMs, run: () => database.close(closeMs / 1000 - 1) },
  ];
}

async function openParts(config: Config, logger: ProcessLogger): Promise<Parts> {
  const onError = throttledWarning(logger, 'trace.export-failed');
  const tracing = await openTracing(config, { role: 'api', onError });
  const database = await openMigratedDatabase(config, { connectionsMax, applicationName: 'vfolder-api' });
  const secrets = await openSecrets(config, database);
  await requireVolumes(database.db, config);
  const volumes = await openVolumes(config);
  const { db, url: databaseUrl } = database;
  const { redisUrl, apiVersion, trashDays, linkDays } = config;
  const jobs = await openJobClient({ db, databaseUrl, redisUrl, volumes: [...volumes.keys()], logger });
  const rateCounts = openRateCounts({ db, redisUrl, logger });
  const metrics = config.metrics === undefined ? undefined : openMetrics({ version, volumes, databaseUrl });
  const stopping = new AbortController();
  const server = createServer({
    services: {
      db,
      jobs,
      notifications: jobs.notifications,
      uploads: shareUploadStatements({ db, jobs }),
      volumes,
      secrets,
      version,
      apiVersion,
      trashDays,
      linkDays,
      isDashboardReadOnly: config.isDashboardReadOnly,
      publicUrl: config.publicUrl,
      stopping: stopping.signal,
    },
    routes,
    logger,
    allowPlainSecrets: config.allowsPlainSecrets,
    trustedProxies: config.trustedProxies,
    unsentBytes: openUnsentBytes(),
    metrics: metrics?.countRequests(),
    tracer: tracing?.tracer,
    requestsPerWindowMax: config.rateLimit,
    rateCounts,
    concurrency: config.concurrencyPerKey,
  });
  return { server, stopping, metrics, tracing, jobs, rateCounts, volumes, database };
}

async function main(): Promise<void> {
  followParent();
  const given = readConfig(env);
  const start = await receiveStart();
  const config = start === undefined ? given : { ...given, databaseUrl: start.databaseUrl };
  const logger = createLogger({ role: 'api', level: config.logLevel });
  const parts = await openParts(config, logger);
  const port = await listen(parts.server, config);
  const metricsPort = await listenForReaders(parts.metrics, config);
  createLifecycle({ logger, steps: shutdownSteps(parts, config) });
  logger.info({ port, host: config.host, metrics_port: metricsPort, version }, 'api.ready');
  letYoungHeapGrow();
  tellReady({ port, metricsPort });
}

runMain(main);
