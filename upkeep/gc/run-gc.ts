import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { type Database, openDatabase } from '../../db/client.ts';
import { assertMigrated } from '../../db/migrate.ts';
import { type JobNotifications, openNotifications } from '../../db/notifications.ts';
import { findFolderUsage } from '../../db/queries/usage.ts';
import { isReadOnlyVolume } from '../../db/queries/volumes.ts';
import { domainError } from '../../domain/errors.ts';
import type { JobKind } from '../../domain/job.ts';
import type { JobPayload } from '../../jobs/contracts.ts';
import type { JobContext, JobHandlers, JobOutcome } from '../../jobs/handler.ts';
import type { Config } from '../../runtime/config.ts';
import type { PosixVolume } from '../../storage/posix/posix-volume.ts';
import { forgetBatchRows } from '../../worker/forget-rows.ts';
import { makeHandlers } from '../../worker/handlers.ts';
import type { WorkerServices } from '../../worker/services.ts';
import { outboxOnly } from '../outbox-only.ts';
import { withDatabase } from '../reach-database.ts';
import { reasonOf } from '../reason.ts';
import { chooseVolumes, requireMounted, volumeNamed, withVolumes } from '../volumes.ts';
import { countRemovals } from './counting-volume.ts';
import { type JobRunner, runHere } from './run-jobs.ts';
import { type Freed, makeTally, type Tally } from './tally.ts';

/** What is to be removed. */
export interface GcOptions {
  /** Only says what would be removed. */
  readonly isDry: boolean;
  /** Also what was set aside because it belongs to nobody. */
  readonly withOrphans: boolean;
  readonly volume?: string | undefined;
}

/** Something that could not be done; everything else was. */
export interface GcFailure {
  readonly volume: string;
  readonly what: string;
  readonly reason: string;
}

/** What a run freed, or would. */
export interface GcResult {
  readonly freed: readonly Freed[];
  /** Rows forgotten, by table. */
  readonly rows: Readonly<Record<string, number>>;
  readonly failures: readonly GcFailure[];
}

const becameReadOnly = 'it became read-only, and the rest is left';
/** A dry run walks volumes in a transaction. */
const dryIdleMsMax = 10 * 60_000;
const roundsMax = 1_000;

const resultSchema = z.object({
  expired: z.number().default(0),
  copies: z.number().default(0),
  forgotten: z.record(z.string(), z.number()).default({}),
});

const freedSchema = z.object({ freed: z.object({ bytes: z.number() }) });

/** What went wrong is told at the end. */
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Gc {
  readonly db: Database;
  readonly volume: PosixVolume;
  readonly tally: Tally;
  readonly rows: Record<string, number>;
  readonly failures: GcFailure[];
  readonly services: WorkerServices;
  /** Jobs that were given to workers. */
  readonly given: string[];
  readonly isDry: boolean;
}

function contextOf<K extends JobKind>(
  db: Database,
  job: { readonly kind: K; readonly volume: string; readonly payload: JobPayload<K> },
): JobContext<K> {
  const id = uuidv7();
  const run = { attempt: 0, isLastAttempt: true, checkpoint: null, trace: undefined };
  return {
    job: { id, folderId: null, actorId: null, ...job, ...run },
    claim: { id, fence: 0 },
    signal: new AbortController().signal,
    report: () => undefined,
    // What is scheduled is safe beside itself, so there is no claim to hold.
    fenced: (change) => db.transaction(change),
    step: (_name, work) => work(),
  };
}

/** What the schedules of a volume do, in the order that one makes room for the next. */
const scheduled: readonly {
  readonly kind: JobKind;
  readonly run: (handlers: JobHandlers, db: Database, volume: string) => Promise<JobOutcome>;
}[] = [
  {
    kind: 'uploads.expire',
    run: (handlers, db, volume) =>
      handlers['uploads.expire'].run(contextOf(db, { kind: 'uploads.expire', volume, payload: {} })),
  },
  {
    kind: 'trash.expire',
    run: (handlers, db, volume) =>
      handlers['trash.expire'].run(contextOf(db, { kind: 'trash.expire', volume, payload: {} })),
  },
  {
    kind: 'archives.expire',
    run: (handlers, db, volume) =>
      handlers['archives.expire'].run(contextOf(db, { kind: 'archives.expire', volume, payload: {} })),
  },
  {
    kind: 'storage.sweep',
    run: (handlers, db, volume) =>
      handlers['storage.sweep'].run(contextOf(db, { kind: 'storage.sweep', volume, payload: {} })),
  },
];
type Scheduled = (typeof scheduled)[number];

class RollBack extends Error {}

/** Runs `work` with a database whose changes are taken back at the end. */
async function withoutEffect(db: Database, work: (tx: Database) => Promise<void>): Promise<void> {
  try {
    await db.transaction(async (tx) => {
      await work(tx);
      throw new RollBack();
    });
  } catch (error) {
    if (!(error instanceof RollBack)) throw error;
  }
}

/** @returns whether there are more rows to forget */
async function runOnce(gc: Gc, { kind, run }: Scheduled, services: WorkerServices): Promise<boolean> {
  const { result } = await run(makeHandlers(services), services.db, gc.volume.name);
  const { expired, copies, forgotten } = resultSchema.parse(result);
  if (kind === 'uploads.expire') gc.tally.addMany('expired_uploads', expired);
  gc.tally.addMany('abandoned_copies', copies);
  for (const [table, count] of Object.entries(forgotten)) {
    // Rows belong to no volume: where they stay, every volume meets the same.
    gc.rows[table] = gc.isDry ? Math.max(gc.rows[table] ?? 0, count) : (gc.rows[table] ?? 0) + count;
  }
  return Object.values(forgotten).some((count) => count >= forgetBatchRows);
}

/** Does what a schedule does, by its handler. Dry, the same runs on a transaction that is taken back. */
async function runScheduled(gc: Gc, one: Scheduled): Promise<void> {
  try {
    if (gc.isDry) {
      await withoutEffect(gc.db, async (tx) => void (await runOnce(gc, one, { ...gc.services, db: tx })));
      return;
    }
    for (let round = 0; round < roundsMax; round += 1) {
      if (!(await runOnce(gc, one, gc.services))) return;
    }
  } catch (error) {
    gc.failures.push({ volume: gc.volume.name, what: one.kind, reason: reasonOf(error) });
  }
}

/** Jobs as workers get them; what they will free is noted as they are recorded. */
function countingJobs(given: string[], tally: Tally, isDry: boolean): WorkerServices['jobs'] {
  const made = new Set<string>();
  return {
    ...outboxOnly,
    enqueue: async (tx, job) => {
      const id = await outboxOnly.enqueue(tx, job);
      if (job.kind !== 'folder.purge' || job.folderId === null) return id;
      made.add(id);
      const usage = await findFolderUsage(tx, job.folderId);
      tally.add('trashed_folders', (usage?.usedBytes ?? 0) + (usage?.trashBytes ?? 0));
      return id;
    },
    dispatch: (jobIds) => {
      given.push(...jobIds);
      // Those of deletes that had failed; when they are run, they say themselves what they freed.
      if (isDry) tally.addMany('resumed_purges', jobIds.filter((id) => !made.has(id)).length);
    },
  };
}

/** Sees the purges through that were made or given another go; they are many only after a long time without workers. */
async function runGiven(gc: Gc, runner: JobRunner): Promise<void> {
  await runHere(runner, { volume: gc.volume.name, jobIds: gc.given }, (jobId, job) => {
    if (job === null || job.state === 'succeeded') {
      const freed = freedSchema.safeParse(job?.result);
      if (job?.kind === 'trash.purge') gc.tally.add('resumed_purges', freed.data?.freed.bytes ?? 0);
      return;
    }
    const reason = job.errorDetail ?? `it is ${job.state}, and workers go on with it`;
    gc.failures.push({ volume: gc.volume.name, what: `job ${jobId} (${job.kind})`, reason });
  });
}

async function listOrphans(volume: PosixVolume): Promise<string[]> {
  const ids: string[] = [];
  for await (const batch of volume.listAside()) ids.push(...batch.map(({ id }) => id));
  return ids;
}

interface Collection {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly auditDays: number;
  readonly options: GcOptions;
  readonly result: {
    readonly freed: Freed[];
    readonly rows: Record<string, number>;
    readonly failures: GcFailure[];
  };
}

async function collectVolume(collection: Collection, plain: PosixVolume): Promise<void> {
  const { db, notifications, auditDays, options, result } = collection;
  const { isDry, withOrphans } = options;
  const tally = makeTally(plain.name);
  const given: string[] = [];
  const allow = async (): Promise<void> => {
    if (await isReadOnlyVolume(db, plain.name)) throw domainError('volume_read_only', becameReadOnly);
  };
  const volume = countRemovals(plain, tally, { isDry, allow });
  const jobs = countingJobs(given, tally, isDry);
  const services = {
    db,
    volumes: new Map([[plain.name, volume]]),
    jobs,
    logger: silent,
    auditDays,
    // So that a dry run, which forgets in one transaction, stays small; the rounds do the rest.
    forgetBatchesMax: 1,
  };
  const gc: Gc = { ...result, db, volume, tally, services, given, isDry };
  // What this very run sets aside stays: nobody could have looked at it.
  const orphans = withOrphans ? await listOrphans(plain) : [];
  for (const one of scheduled) {
    if (await isReadOnlyVolume(db, plain.name)) break;
    await runScheduled(gc, one);
  }
  const handlers = makeHandlers({ ...services, volumes: new Map([[plain.name, plain]]) });
  if (!isDry) await runGiven(gc, { db, notifications, handlers, logger: silent });
  if (await isReadOnlyVolume(db, plain.name)) {
    result.failures.push({ volume: plain.name, what: 'volume', reason: becameReadOnly });
  } else {
    for (const id of orphans) await volume.purgeAside(id);
  }
  result.freed.push(...tally.list());
}

async function collect(url: string, config: Config, options: GcOptions): Promise<GcResult> {
  const client = openDatabase({
    url,
    connectionsMax: 4,
    applicationName: 'vfolder-gc',
    ...(options.isDry ? { idleMsMax: dryIdleMsMax } : {}),
  });
  const notifications = openNotifications({ url, onError: () => undefined });
  const result = { freed: [] as Freed[], rows: {}, failures: [] as GcFailure[] };
  try {
    const { db } = client;
    await assertMigrated(db);
    const roots = chooseVolumes(config, options.volume);
    for (const [name, root] of roots) await requireMounted(name, root);
    const collection = { db, notifications, auditDays: config.auditDays, options, result };
    await withVolumes(roots, async (opened) => {
      for (const name of roots.keys()) {
        if (!(await isReadOnlyVolume(db, name))) await collectVolume(collection, volumeNamed(opened, name));
        else result.failures.push({ volume: name, what: 'volume', reason: 'it is read-only' });
      }
    });
    return result;
  } finally {
    await notifications.close();
    await client.close(5);
  }
}

/**
 * Does now what the schedules of the service would do in their time, by the code that workers do it with: ends uploads,
 * archives and trashed folders past their time, frees them, removes what crashes left, and forgets rows. Safe beside workers.
 * @throws UpkeepRefusal, ConfigError, SchemaOutdatedError
 */
export function runGc(config: Config, options: GcOptions): Promise<GcResult> {
  return withDatabase(config, (url) => collect(url, config, options));
}
