import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { openDatabase } from '../db/client.ts';
import type { JobMetrics } from '../jobs/job-metrics.ts';
import type { Volume } from '../storage/volume.ts';
import { readBacklog } from './backlog.ts';
import {
  connectionFigures,
  depthReader,
  folderFigures,
  mountFigures,
  queueFigures,
  type ReadDepths,
  uploadFigures,
} from './database-figures.ts';
import type { Figures } from './figures.ts';
import { makeJobRecorder } from './job-recorder.ts';
import { makeReaderServer, type ReaderReply, type ReaderServer } from './reader-server.ts';
import { makeRequestRecorder, type RequestRecorder } from './request-recorder.ts';
import { volumeFigures } from './volume-figures.ts';
import { volumeStateFigures } from './volume-state-figures.ts';

/** What a process shows of itself, and of what only it can see. */
export interface Metrics extends Pick<ReaderServer, 'listen'> {
  /** Where an API counts its requests; call it once. */
  countRequests(): RequestRecorder;
  /** Where a worker counts its jobs; call it once. */
  countJobs(): JobMetrics;
  close(): Promise<void>;
}

/** How to open the figures of a process. */
export interface MetricsOptions {
  readonly version: string;
  readonly volumes: ReadonlyMap<string, Volume>;
  /** Set in API processes: they tell what is in the database as well, each the same. */
  readonly databaseUrl?: string;
}

/** The database ends what takes longer, so that figures never weigh on it. */
const statementMsMax = 2_000;
const eventLoopPrecisionMs = 20;

const jsonReply = (status: number, body: unknown): ReaderReply => ({
  status,
  contentType: 'application/json',
  text: `${JSON.stringify(body)}\n`,
});

async function backlogReply(read: ReadDepths): Promise<ReaderReply> {
  const backlog = await readBacklog(read);
  // A scaler that reads 0 because the database is away would stop the workers.
  if (backlog === undefined) return jsonReply(503, { error: 'The database does not answer.' });
  const { oldestWaitingSeconds, all, byWork } = backlog;
  return jsonReply(200, { backlog: { all, ...byWork }, oldest_waiting_seconds: oldestWaitingSeconds });
}

/** One collection at a time: whoever asks meanwhile gets the same text. */
function pageOf(registry: Registry, groups: readonly Figures[]): () => Promise<ReaderReply> {
  const up = new Gauge({
    name: 'vfolder_collector_up',
    help: '1 when the figures of a group could be collected for this answer; those that could not are absent.',
    labelNames: ['collector'],
    registers: [registry],
  });
  const collect = async () => {
    const refresh = async ({ name, refresh: run }: Figures) =>
      up.set({ collector: name }, (await run()) ? 1 : 0);
    await Promise.all(groups.map(refresh));
    // The library writes `Nan`, which the format does not know.
    const text = (await registry.metrics()).replaceAll(/ Nan$/gm, ' NaN');
    return { status: 200, contentType: registry.contentType, text };
  };
  let running: Promise<ReaderReply> | undefined;
  return () => {
    running ??= collect().finally(() => {
      running = undefined;
    });
    return running;
  };
}

/**
 * Opens the figures of a process: `/metrics` for Prometheus, `/healthz` for a probe of the process alone, and in API
 * processes `/backlog` for autoscalers. They have a connection of their own, so that they tell the truth when the
 * service's are all in use, and never take one from it.
 */
export function openMetrics(options: MetricsOptions): Metrics {
  const { version, volumes, databaseUrl } = options;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: eventLoopPrecisionMs });
  new Gauge({
    name: 'vfolder_build_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
  const groups: Figures[] = [volumeFigures(registry, volumes)];
  const pages = new Map<string, () => Promise<ReaderReply>>();
  const database =
    databaseUrl === undefined
      ? undefined
      : openDatabase({
          url: databaseUrl,
          connectionsMax: 1,
          applicationName: 'vfolder-metrics',
          statementMsMax,
        });
  if (database !== undefined) {
    const { db } = database;
    const names = [...volumes.keys()];
    const depths = depthReader(db, names);
    groups.push(
      queueFigures(registry, depths),
      folderFigures(registry, db, names),
      connectionFigures(registry, db),
      uploadFigures(registry, db),
      mountFigures(registry, db, names),
      volumeStateFigures(registry, db, names),
    );
    pages.set('/backlog', () => backlogReply(depths));
  }
  pages.set('/metrics', pageOf(registry, groups));
  pages.set('/healthz', async () => jsonReply(200, { status: 'ok' }));
  const server = makeReaderServer(pages);
  return {
    countRequests: () => makeRequestRecorder(registry),
    countJobs: () => makeJobRecorder(registry),
    listen: server.listen,
    close: async () => {
      await server.close();
      await database?.close(1);
    },
  };
}
