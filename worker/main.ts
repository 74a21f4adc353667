import { env } from 'node:process';
import { listenForReaders } from '../boot/listen-for-readers.ts';
import { type OpenedDatabase, openMigratedDatabase } from '../boot/open-database.ts';
import { type OpenedTracing, openTracing } from '../boot/open-tracing.ts';
import { closeVolumes, openVolumes } from '../boot/open-volumes.ts';
import { requireVolumes } from '../boot/require-volumes.ts';
import { type Consumer, openConsumer } from '../jobs/consumer.ts';
import { queueNames } from '../jobs/contracts.ts';
import { type OpenJobClient, openJobClient } from '../jobs/open-job-client.ts';
import { throttledWarning } from '../jobs/throttled-warning.ts';
import { startWorkerBeat, type WorkerBeat } from '../jobs/worker-beat.ts';
import { type Metrics, openMetrics } from '../metrics/open-metrics.ts';
import { type Config, readConfig } from '../runtime/config.ts';
import { createLifecycle, type ShutdownStep } from '../runtime/lifecycle.ts';
import { createLogger, type ProcessLogger } from '../runtime/logger.ts';
import { followParent, receiveStart, tellReady } from '../runtime/parent.ts';
import { runMain } from '../runtime/run-main.ts';
import { version } from '../runtime/version.ts';
import type { PosixVolume } from '../storage/posix/posix-volume.ts';
import { makeHandlers } from './handlers.ts';

const connectionsMax = 20;
/** What each step after the consumer gets to end in. */
const closeMs = 5_000;
/** What a collector gets to take the last spans in. */
const flushMs = 3_000;

interface Parts {
  readonly consumer: Consumer;
  readonly beat: WorkerBeat;
  readonly metrics: Metrics | undefined;
  readonly tracing: OpenedTracing | undefined;
  readonly jobs: OpenJobClient;
  readonly volumes: ReadonlyMap<string, PosixVolume>;
  readonly database: OpenedDatabase;
}

async function openParts(config: Config, logger: ProcessLogger): Promise<Parts> {
  const onError = throttledWarning(logger, 'trace.export-failed');
  const tracing = await openTracing(config, { role: 'worker', onError });
  const database = await openMigratedDatabase(config, { connectionsMax, applicationName: 'vfolder-worker' });
  await requireVolumes(database.db, config);
  const volumes = await openVolumes(config);
  const { db, url: databaseUrl } = database;
  const shared = { db, databaseUrl, redisUrl: config.redisUrl, volumes: [...volumes.keys()], logger };
  const jobs = await openJobClient(shared);
  const { concurrency } = config;
  const metrics = config.metrics === undefined ? undefined : openMetrics({ version, volumes });
  const consumer = await openConsumer({
    ...shared,
    client: jobs,
    metrics: metrics?.countJobs(),
    tracer: tracing?.tracer,
    handlers: makeHandlers({ db, volumes, jobs, logger, auditDays: config.auditDays }),
    ...(config.queues === undefined ? {} : { queues: config.queues }),
    ...(concurrency === undefined
      ? {}
      : { concurrency: Object.fromEntries(queueNames.map((name) => [name, concurrency])) }),
  });
  const { notifications, timings } = jobs;
  const beat = await startWorkerBeat({ db, notifications, consumer, version, timings, logger });
  return { consumer, beat, metrics, tracing, jobs, volumes, database };
}

// First the jobs are handed back, last the database goes, which they write their return to. Until all is handed back, the
// worker can be seen.
function shutdownSteps(parts: Parts, shutdownMs: number): readonly ShutdownStep[] {
  const { consumer, beat, metrics, tracing, jobs, volumes, database } = parts;
  return [
    { name: 'consumer.close', deadlineMs: shutdownMs + 1_000, run: () => consumer.close(shutdownMs) },
    { name: 'beat.close', deadlineMs: closeMs, run: () => beat.close() },
    { name: 'metrics.close', deadlineMs: closeMs, run: async () => metrics?.close() },
    { name: 'jobs.close', deadlineMs: closeMs, run: () => jobs.close() },
    { name: 'tracing.close', deadlineMs: closeMs, run: async () => tracing?.close(flushMs) },
    { name: 'volumes.close', deadlineMs: closeMs, run: () => closeVolumes(volumes) },
    { name: 'database.close', deadlineMs: closeMs, run: () => database.close(closeMs / 1000 - 1) },
  ];
}

async function main(): Promise<void> {
  followParent();
  const given = readConfig(env);
  const start = await receiveStart();
  const config = start === undefined ? given : { ...given, databaseUrl: start.databaseUrl };
  const logger = createLogger({ role: 'worker', level: config.logLevel });
  const parts = await openParts(config, logger);
  const metricsPort = await listenForReaders(parts.metrics, config);
  createLifecycle({ logger, steps: shutdownSteps(parts, config.shutdownMs) });
  const queues = config.queues ?? queueNames;
  const { id: workerId, volumes } = parts.consumer;
  logger.info({ worker_id: workerId, queues, volumes, metrics_port: metricsPort, version }, 'worker.ready');
  tellReady({ metricsPort });
}

runMain(main);
