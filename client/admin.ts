import { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import { type LimitsApi, openLimits } from './limits.ts';
import { type AllLinksApi, openAllLinks } from './links.ts';
import {
  type AuditEntry,
  auditModel,
  type Queue,
  queueModel,
  type VolumeStatus,
  volumeModel,
  type Worker,
  workerModel,
} from './models.ts';
import { type AllMountsApi, openAllMounts } from './mounts.ts';
import { readPages } from './pages.ts';
import { openUsers, type UsersApi } from './users.ts';

const readinessModel = z.looseObject({
  status: z.string(),
  database: z.string(),
  volumes: z.record(z.string(), z.unknown()),
});
const queuesModel = z.looseObject({ items: z.array(queueModel) });
const workersModel = z.looseObject({ items: z.array(workerModel) });
const volumesModel = z.looseObject({ items: z.array(volumeModel) });

/** Whether each part of the service can be used. */
export type Readiness = z.infer<typeof readinessModel>;

/** Which entries of the audit log; what is `undefined` is no condition. Times are in ISO 8601. */
export interface AuditFilter {
  readonly actor: string | undefined;
  readonly action: string | undefined;
  readonly folder: string | undefined;
  /** What it was done to besides a folder: the id of a user or job, the name of a queue, ... */
  readonly subject: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
}

/** What administrators do. */
export interface AdminApi {
  readiness(): Promise<Readiness>;
  readonly users: UsersApi;
  readonly limits: LimitsApi;
  readonly mounts: AllMountsApi;
  readonly links: AllLinksApi;
  /** Entries of the audit log, newest first, `entriesMax` at most. */
  audit(filter: AuditFilter, entriesMax: number): Promise<AuditEntry[]>;
  queues(): Promise<Queue[]>;
  pauseQueue(name: string, isPaused: boolean): Promise<void>;
  /** Sets how many jobs of a queue run at a time over all workers; `null` for no limit. */
  limitQueue(name: string, concurrency: number | null): Promise<void>;
  /** Gives every failed job of a queue another go. */
  retryFailed(name: string): Promise<void>;
  workers(): Promise<Worker[]>;
  /** Asks a worker to take no more jobs, or to take some again. */
  drainWorker(id: string, isDraining: boolean): Promise<void>;
  volumes(): Promise<VolumeStatus[]>;
  volume(name: string): Promise<VolumeStatus>;
  /** Sets what a volume may be used for: `active`, `read_only` or `draining`. */
  setVolume(name: string, state: string): Promise<VolumeStatus>;
}

/** Opens the administration of the service. */
export function openAdmin(http: Http): AdminApi {
  return {
    readiness: () => http.read('GET', '/readyz', readinessModel, { accepts: [503] }),
    users: openUsers(http),
    limits: openLimits(http),
    mounts: openAllMounts(http),
    links: openAllLinks(http),
    audit: (filter, entriesMax) => readPages(http, '/admin/audit', auditModel, { ...filter }, entriesMax),
    queues: async () => (await http.read('GET', '/admin/queue-settings', queuesModel)).items,
    pauseQueue: (name, isPaused) =>
      http.change('PATCH', `/admin/queue-settings${pathOf(name)}`, { is_paused: isPaused }),
    limitQueue: (name, concurrency) =>
      http.change('PATCH', `/admin/queue-settings${pathOf(name)}`, { concurrency }),
    retryFailed: (name) => http.change('POST', `/admin/queue-settings${pathOf(name)}/retry-failed`),
    workers: async () => (await http.read('GET', '/admin/workers', workersModel)).items,
    drainWorker: (id, isDraining) =>
      http.change(isDraining ? 'POST' : 'DELETE', `/admin/workers${pathOf(id)}/drain`),
    volumes: async () => (await http.read('GET', '/admin/volumes', volumesModel)).items,
    volume: (name) => http.read('GET', `/admin/volumes${pathOf(name)}`, volumeModel),
    setVolume: (name, state) =>
      http.read('PATCH', `/admin/volumes${pathOf(name)}`, volumeModel, { json: { state } }),
  };
}
