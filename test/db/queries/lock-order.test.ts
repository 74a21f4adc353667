import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../db/client.ts';
import { putBackDueJobs } from '../../../db/queries/job-lease.ts';
import { deleteFinishedJobs, insertJobs } from '../../../db/queries/jobs.ts';
import { accountForTrash } from '../../../db/queries/measure.ts';
import { holdFolder } from '../../../db/queries/path-claims.ts';
import { endUploads, noteReplaced } from '../../../db/queries/upload-commits.ts';
import {
  abortFolderUploads,
  deleteFinishedUploads,
  reserveUploads,
  stageUploads,
} from '../../../db/queries/uploads.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import type { JobState } from '../../../domain/job.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let ownerId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 8 });
  ownerId = await insertTestUser(database.db);
});
afterAll(() => database.close());

/** Ids in ascending order, and rows in the other one: as they lie in the table, and as they are asked for. */
function twoIds(): readonly [string, string] {
  const [one, other] = [uuidv7(), uuidv7()];
  return one < other ? [one, other] : [other, one];
}

async function insertTwoJobs(state: JobState, values: Partial<typeof jobs.$inferInsert> = {}) {
  const ids = twoIds();
  for (const id of ids.toReversed()) {
    const job = {
      id,
      kind: 'upload.commit',
      volume: 'local',
      payload: {},
      attemptsMax: 1,
      fence: 1,
    } as const;
    await database.db.insert(jobs).values({ ...job, state, ...values });
  }
  return ids;
}

async function insertTwoUploads(isStaged: boolean) {
  const { id: folderId } = await insertTestFolder(database.db, { ownerId });
  const ids = twoIds();
  const jobIds = await insertTwoJobs('running');
  for (const [index, id] of [...ids.entries()].toReversed()) {
    const request = { id, actorId: ownerId, amount: { bytes: 1, files: 1 } };
    expect(await reserveUploads(database.db, folderId, [request])).toBe(true);
    const file = { ordinal: 0, path: id, sizeBytes: 1, sha256: '00', crc32: 0, inode: id };
    const session = { id, jobId: jobIds[index] ?? '', files: [file] };
    if (isStaged) await stageUploads(database.db, [session]);
  }
  return { folderId, ids, jobIds };
}

/** Resolves once a connection waits for a lock of another one. */
async function someoneWaits(): Promise<void> {
  await eventually(async () => {
    const rows = await database.db.execute(sql`
      SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
    expect(rows).toHaveLength(1);
  });
}

/**
 * Holds the first of two rows, has `work` begin to lock both, and then takes the second one: whoever locked that before the
 * first one and waits would now wait for ever.
 */
async function lockAgainst(
  table: 'jobs' | 'uploads',
  [first, second]: readonly [string, string],
  work: (db: Database) => Promise<unknown>,
): Promise<unknown> {
  const { db } = database;
  let running: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    const lock = (id: string) =>
      tx.execute(sql`SELECT FROM ${sql.identifier(table)} WHERE id = ${id} FOR NO KEY UPDATE`);
    await lock(first);
    running = work(db);
    running.catch(() => undefined);
    await someoneWaits();
    await lock(second);
  });
  return await running;
}

/** As most statements are given their rows: in no order. */
const unordered = <T>(values: readonly T[]): T[] => values.toReversed();

describe('statements that lock several rows take them in the order of their ids', () => {
  it('when they note what is replaced', async () => {
    const ids = await insertTwoJobs('running');
    const notes = unordered(ids).map((id) => ({ claim: { id, fence: 1 }, uploadId: uuidv7(), notes: [] }));
    expect(await lockAgainst('jobs', ids, (db) => noteReplaced(db, notes))).toEqual(new Set(ids));
  });

  it('when they end commits, by their jobs', async () => {
    const { jobIds, ids } = await insertTwoUploads(true);
    const ends = unordered([0, 1]).map((index) => {
      return { id: jobIds[index] ?? '', fence: 1, result: {}, uploadId: ids[index] ?? '', missing: [] };
    });
    expect(await lockAgainst('jobs', jobIds, (db) => endUploads(db, ends))).toEqual(new Set(jobIds));
  });

  it('when they end commits, by their sessions', async () => {
    const { jobIds, ids } = await insertTwoUploads(true);
    // The order of the jobs is not that of the sessions.
    const ends = unordered([0, 1]).map((index) => {
      return { id: jobIds[1 - index] ?? '', fence: 1, result: {}, uploadId: ids[index] ?? '', missing: [] };
    });
    expect(await lockAgainst('uploads', ids, (db) => endUploads(db, ends))).toEqual(new Set(jobIds));
  });

  it('when they hold a folder for several jobs', async () => {
    const { id: folderId } = await insertTestFolder(database.db, { ownerId });
    const ids = await insertTwoJobs('running');
    const claimants = unordered(ids).map((id) => ({ claim: { id, fence: 1 }, actorId: ownerId }));
    const held = await lockAgainst('jobs', ids, (db) =>
      db.transaction((tx) => holdFolder(tx, folderId, claimants)),
    );
    expect(held).toMatchObject({ isActive: true, holds: [{ isHeld: true }, { isHeld: true }] });
  });

  it('when they put jobs back that a queue did not take', async () => {
    const ids = await insertTwoJobs('queued');
    await lockAgainst('jobs', ids, (db) => putBackDueJobs(db, { jobIds: unordered(ids), delayMs: 1_000 }));
  });

  it('when they account for what is in the trash', async () => {
    const ids = await insertTwoJobs('failed', { kind: 'trash.purge' });
    const shares = unordered(ids).map((jobId) => ({
      jobId,
      measured: { bytes: 1, files: 1, directories: 0 },
    }));
    expect(await lockAgainst('jobs', ids, (db) => accountForTrash(db, shares))).toBe(true);
  });

  it('when they abort the sessions of a folder', async () => {
    const { folderId, ids } = await insertTwoUploads(false);
    await lockAgainst('uploads', ids, (db) => abortFolderUploads(db, folderId));
  });
});

describe('statements that clean up', () => {
  const past = { finishedAt: new Date(0) };

  it('wait for nobody who holds a job or a session, and take the others', async () => {
    const { db } = database;
    const [jobId] = await insertTwoJobs('succeeded', past);
    const { ids } = await insertTwoUploads(false);
    await db.execute(sql`
      UPDATE uploads SET state = 'aborted', finished_at = 'epoch' WHERE id IN (${ids[0]}, ${ids[1]})`);
    const query = { olderThanDays: 1, limit: 10 };
    await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT FROM jobs WHERE id = ${jobId} FOR NO KEY UPDATE`);
      await tx.execute(sql`SELECT FROM uploads WHERE id = ${ids[1]} FOR NO KEY UPDATE`);
      expect(await Promise.race([deleteFinishedJobs(db, query), delay(10_000, 'waits')])).toBe(1);
      expect(await Promise.race([deleteFinishedUploads(db, query), delay(10_000, 'waits')])).toBe(1);
    });
    expect(await deleteFinishedJobs(db, query)).toBe(1);
    expect(await deleteFinishedUploads(db, query)).toBe(1);
  });
});

it('inserts jobs with dedupe keys from two sides at once, whatever the order they are given in', async () => {
  const { db } = database;
  const keys = ['a', 'b'].map((key) => `${uuidv7()}:${key}`);
  const rowOf = (dedupeKey: string) => ({
    id: uuidv7(),
    kind: 'usage.measure' as const,
    payload: {},
    volume: 'local',
    folderId: null,
    actorId: null,
    attemptsMax: 1,
    dedupeKey,
    traceparent: null,
    dispatchInMs: 0,
  });
  let running: Promise<unknown[]> = Promise.resolve([]);
  await db.transaction(async (tx) => {
    await insertJobs(tx, [rowOf(keys[0] ?? '')]);
    running = insertJobs(db, unordered(keys).map(rowOf));
    running.catch(() => undefined);
    await someoneWaits();
    await insertJobs(tx, [rowOf(keys[1] ?? '')]);
  });
  expect(await running).toEqual([]);
});
