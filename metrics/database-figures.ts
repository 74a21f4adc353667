import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../db/client.ts';
import { countMounts } from '../db/queries/mounts.ts';
import { listQueueSettings } from '../db/queries/queue-settings.ts';
import {
  type ConnectionTotal,
  countConnections,
  countJobTotals,
  countOpenUploads,
  type FolderTotal,
  type JobTotal,
  openUploadStates,
  sumFolderTotals,
} from '../db/queries/totals.ts';
import { listVolumeSettings } from '../db/queries/volumes.ts';
import { listWorkers } from '../db/queries/workers.ts';
import { jobContracts, queueNames } from '../jobs/contracts.ts';
import { readingKinds } from '../jobs/volume-states.ts';
import { readerOf } from './collector.ts';
import type { Figures } from './figures.ts';

const jobStates = ['waiting', 'delayed', 'active', 'failed'] as const;
const queuesFreshMs = 5_000;
const foldersFreshMs = 30_000;
const deadlineMs = 2_500;
/** Workers say every 3 s that they are up; one that missed several times does not count. */
const workerSilentMs = 12_000;

/** What waits and runs in one queue (a kind of work on one volume). */
export interface QueueDepth {
  readonly counts: Readonly<Record<(typeof jobStates)[number], number>>;
  /** Age of the oldest job that has not run yet; 0 when none waits. */
  readonly oldestSeconds: number;
  readonly isPaused: boolean;
  /** Worker processes that take its jobs. */
  readonly workers: number;
}

/** Depths by name (`<work>.<volume>`); `undefined` while the database does not answer. */
export type ReadDepths = () => Promise<ReadonlyMap<string, QueueDepth> | undefined>;

type Depth = { -readonly [K in keyof QueueDepth]: QueueDepth[K] } & {
  counts: Record<(typeof jobStates)[number], number>;
};

/** What a read-only volume holds up cannot run yet, like a job that waits for its next attempt. */
function shownState(
  { kind, volume, state }: Pick<JobTotal, 'kind' | 'volume' | 'state'>,
  readOnly: ReadonlySet<string>,
): JobTotal['state'] {
  const isHeldUp = state === 'waiting' && readOnly.has(volume) && !readingKinds.includes(kind);
  return isHeldUp ? 'delayed' : state;
}

function addUp(
  totals: readonly JobTotal[],
  known: {
    readonly volumes: readonly string[];
    readonly paused: ReadonlySet<string>;
    /** Volumes that hold up jobs that would write. */
    readonly readOnly: ReadonlySet<string>;
    /** The queue of each place where a worker takes jobs; one that takes from several is in several. */
    readonly served: readonly string[];
  },
): ReadonlyMap<string, QueueDepth> {
  const depths = new Map<string, Depth>();
  const depthOf = (name: string): Depth => {
    const found = depths.get(name) ?? {
      counts: { waiting: 0, delayed: 0, active: 0, failed: 0 },
      oldestSeconds: 0,
      isPaused: known.paused.has(name),
      workers: 0,
    };
    depths.set(name, found);
    return found;
  };
  // A queue with nothing in it has a figure as well: alerts must not lose sight of it.
  for (const volume of known.volumes) for (const work of queueNames) depthOf(`${work}.${volume}`);
  for (const queue of known.served) depthOf(queue).workers += 1;
  for (const { kind, volume, state, jobs, oldestSeconds } of totals) {
    const contract: { readonly queue: string } | undefined = jobContracts[kind];
    // A newer version of the service may have kinds of its own.
    if (contract === undefined) continue;
    const depth = depthOf(`${contract.queue}.${volume}`);
    const shown = shownState({ kind, volume, state }, known.readOnly);
    depth.counts[shown] += jobs;
    if (shown === 'waiting') depth.oldestSeconds = Math.max(depth.oldestSeconds, oldestSeconds ?? 0);
  }
  return depths;
}

function queuesOf(worker: {
  readonly queues: readonly string[];
  readonly volumes: readonly string[];
}): string[] {
  return worker.queues.flatMap((work) => worker.volumes.map((volume) => `${work}.${volume}`));
}

/** Makes the reader of all queues' depths from the rows of their jobs: exact on every store of queues. */
export function depthReader(db: Database, volumes: readonly string[]): ReadDepths {
  return readerOf({
    freshMs: queuesFreshMs,
    deadlineMs,
    load: async () => {
      const [totals, settings, states, workers] = await Promise.all([
        countJobTotals(db),
        listQueueSettings(db),
        listVolumeSettings(db),
        listWorkers(db, workerSilentMs),
      ]);
      const paused = new Set(settings.filter(({ isPaused }) => isPaused).map(({ queue }) => queue));
      const served = workers.filter(({ takesJobs }) => takesJobs).flatMap(queuesOf);
      const readOnly = new Set(states.filter(({ state }) => state === 'read_only').map(({ name }) => name));
      return addUp(totals, { volumes, paused, readOnly, served });
    },
  });
}

/** Shows the depths of the queues. */
export function queueFigures(registry: Registry, read: ReadDepths): Figures {
  const registers = [registry];
  const counts = new Gauge({
    name: 'bullmq_job_count',
    help: 'Jobs by queue and state, from their rows; urgent ones count as waiting like all others.',
    labelNames: ['queue', 'state'],
    registers,
  });
  const oldest = new Gauge({
    name: 'vfolder_queue_oldest_waiting_seconds',
    help: 'Age of the oldest job that has not run yet.',
    labelNames: ['queue'],
    registers,
  });
  const paused = new Gauge({
    name: 'vfolder_queue_paused',
    help: '1 while an operator has paused the queue.',
    labelNames: ['queue'],
    registers,
  });
  const workers = new Gauge({
    name: 'vfolder_workers',
    help: 'Worker processes that are up and take jobs from the queue.',
    labelNames: ['queue'],
    registers,
  });
  return {
    name: 'queues',
    refresh: async () => {
      const depths = await read();
      for (const gauge of [counts, oldest, paused, workers]) gauge.reset();
      for (const [queue, depth] of depths ?? []) {
        for (const state of jobStates) counts.set({ queue, state }, depth.counts[state]);
        oldest.set({ queue }, depth.oldestSeconds);
        paused.set({ queue }, depth.isPaused ? 1 : 0);
        workers.set({ queue }, depth.workers);
      }
      return depths !== undefined;
    },
  };
}

function folderGauges(registry: Registry) {
  const registers = [registry];
  return {
    folders: new Gauge({
      name: 'vfolder_folders',
      help: 'Folders by volume and state.',
      labelNames: ['volume', 'state'],
      registers,
    }),
    usage: new Gauge({
      name: 'vfolder_usage_bytes',
      help: 'Recorded usage of all folders by volume: live content, trash, and what open uploads reserved.',
      labelNames: ['volume', 'state'],
      registers,
    }),
    drift: new Gauge({
      name: 'vfolder_usage_drift_bytes',
      help: 'How far the latest count of each folder was from its record, added up; mounted folders change without the API.',
      labelNames: ['volume'],
      registers,
    }),
  };
}

function showFolders(gauges: ReturnType<typeof folderGauges>, totals: readonly FolderTotal[]): void {
  const { folders, usage, drift } = gauges;
  for (const { volume, state, ...total } of totals) {
    folders.set({ volume, state }, total.folders);
    usage.inc({ volume, state: 'live' }, total.usedBytes);
    usage.inc({ volume, state: 'trash' }, total.trashBytes);
    usage.inc({ volume, state: 'reserved' }, total.reservedBytes);
    drift.inc({ volume }, total.driftBytes);
  }
}

/** Shows what the folders of each volume add up to. */
export function folderFigures(registry: Registry, db: Database, volumes: readonly string[]): Figures {
  const gauges = folderGauges(registry);
  const read = readerOf({ freshMs: foldersFreshMs, deadlineMs, load: () => sumFolderTotals(db) });
  return {
    name: 'folders',
    refresh: async () => {
      const totals = await read();
      for (const gauge of Object.values(gauges)) gauge.reset();
      if (totals === undefined) return false;
      // A volume without folders has figures as well.
      const none = { folders: 0, usedBytes: 0, trashBytes: 0, reservedBytes: 0, driftBytes: 0 };
      showFolders(gauges, [
        ...volumes.map((volume) => ({ volume, state: 'active' as const, ...none })),
        ...totals,
      ]);
      return true;
    },
  };
}

/** Shows the upload sessions that have not ended, over all API processes. */
export function uploadFigures(registry: Registry, db: Database): Figures {
  const sessions = new Gauge({
    name: 'vfolder_upload_sessions',
    help: 'Upload sessions that hold a reservation, by state.',
    labelNames: ['state'],
    registers: [registry],
  });
  const read = readerOf({ freshMs: queuesFreshMs, deadlineMs, load: () => countOpenUploads(db) });
  return {
    name: 'uploads',
    refresh: async () => {
      const totals = await read();
      sessions.reset();
      if (totals === undefined) return false;
      for (const state of openUploadStates) sessions.set({ state }, 0);
      for (const total of totals) sessions.set({ state: total.state }, total.sessions);
      return true;
    },
  };
}

/** Shows what compute sessions have mounted, over all API processes. */
export function mountFigures(registry: Registry, db: Database, volumes: readonly string[]): Figures {
  const active = new Gauge({
    name: 'vfolder_mounts_active',
    help: 'Folders that compute sessions have mounted, by volume: those whose leases have not lapsed.',
    labelNames: ['volume'],
    registers: [registry],
  });
  const read = readerOf({ freshMs: queuesFreshMs, deadlineMs, load: () => countMounts(db) });
  return {
    name: 'mounts',
    refresh: async () => {
      const totals = await read();
      active.reset();
      if (totals === undefined) return false;
      for (const volume of volumes) active.set({ volume }, 0);
      for (const { volume, mounts } of totals) active.set({ volume }, mounts);
      return true;
    },
  };
}

/** Shows the connections of the service's programs to the database. */
export function connectionFigures(registry: Registry, db: Database): Figures {
  const pool = new Gauge({
    name: 'vfolder_db_pool',
    help: 'Connections to the database that programs of the service hold, over all hosts.',
    labelNames: ['program', 'state'],
    registers: [registry],
  });
  const read = readerOf({ freshMs: queuesFreshMs, deadlineMs, load: () => countConnections(db) });
  const show = ({ program, state, connections }: ConnectionTotal) =>
    pool.set({ program, state }, connections);
  return {
    name: 'connections',
    refresh: async () => {
      const totals = await read();
      pool.reset();
      for (const total of totals ?? []) show(total);
      return totals !== undefined;
    },
  };
}
