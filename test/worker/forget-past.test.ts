import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Executor } from '../../db/client.ts';
import { expireArchives } from '../../worker/expire-archives.ts';
import { expireUploads } from '../../worker/expire-uploads.ts';
import { forgetRows } from '../../worker/forget-rows.ts';
import type { WorkerServices } from '../../worker/services.ts';
import { openTestVolume, type TestVolume } from '../storage/test-volume.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';

/** More than are forgotten in two statements. */
const rows = 20_001;
const signal = new AbortController().signal;
let database: TestDatabase;
let services: WorkerServices;
let stage: TestVolume;

beforeAll(async () => {
  database = await createTestDatabase();
  stage = await openTestVolume();
  services = {
    db: database.db,
    volumes: new Map([['local', stage.volume]]),
    jobs: { enqueue: never, enqueueAll: never, dispatch: () => undefined },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  };
});
afterAll(async () => {
  await stage?.close();
  await database?.close();
});

function never(): Promise<never> {
  return Promise.reject(new Error('Forgetting makes no jobs.'));
}

/** The handler's view of a scheduled job, without the engine. */
function contextOf<K extends 'archives.expire' | 'uploads.expire'>(kind: K) {
  const run = { attempt: 0, isLastAttempt: true, trace: undefined, checkpoint: null };
  return {
    job: { id: 'a', kind, volume: 'local', folderId: null, actorId: null, payload: {}, ...run },
    claim: { id: 'a', fence: 1 },
    signal,
    report: () => undefined,
    fenced: <T>(change: (tx: Executor) => Promise<T>) => database.db.transaction(change),
    step: <T>(_name: string, work: () => Promise<T>) => work(),
  };
}

async function countOf(table: string): Promise<number> {
  const [row] = await database.db.execute<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM ${sql.identifier(table)}`,
  );
  return row?.n ?? -1;
}

describe('a schedule', () => {
  beforeEach(async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const folder = await insertTestFolder(db, { ownerId: userId });
    const ids = sql`SELECT gen_random_uuid() AS id, n FROM generate_series(1, ${rows}) AS n`;
    await db.execute(
      sql`TRUNCATE jobs, uploads, audit_entries, transfer_tokens, transfer_token_counts, invitations, links, link_readers CASCADE`,
    );
    await db.execute(sql`INSERT INTO jobs (id, kind, volume, payload, attempts_max, state, finished_at)
      SELECT id, 'storage.sweep', 'local', '{}', 1, 'succeeded', now() - interval '31 days' FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO audit_entries (id, at, actor_id, action, details)
      SELECT id, now() - interval '91 days', ${userId}, 'folder.create', '{}' FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO transfer_tokens (token_hash, verb, folder_id, user_id, paths, expires_at)
      SELECT id::text, 'download', ${folder.id}, ${userId}, '["a"]', now() FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO transfer_token_counts (user_id, good_until, stripe, tokens, bytes)
      SELECT ${userId}, now(), n, 1, 1 FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO links (id, digest, kind, folder_id, path, user_id, expires_at)
      SELECT id, id::text, 'download', ${folder.id}, '', ${userId}, now() - interval '25 hours' FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO link_readers (link_id, reader, content, began_at)
      SELECT id, 'a', 'b', now() - interval '25 hours' FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO invitations (id, folder_id, inviter_id, invitee_id, permission, state, answered_at)
      SELECT id, ${folder.id}, ${userId}, ${userId}, 'ro', (ARRAY['accepted', 'rejected', 'cancelled'])[1 + n % 3],
        now() - interval '31 days' FROM (${ids}) AS made`);
    await db.execute(sql`INSERT INTO uploads (id, folder_id, actor_id, state, reserved_bytes, reserved_files, lease_until, finished_at)
      SELECT id, ${folder.id}, ${userId}, 'committed', 1, 1, now(), now() - interval '31 days' FROM (${ids}) AS made`);
  });

  it('forgets all that is past, however much came since the last time', async () => {
    const archives = await expireArchives(services).run(contextOf('archives.expire'));
    expect(archives.result).toMatchObject({
      forgotten: {
        jobs: rows,
        audit_entries: rows,
        transfer_tokens: rows,
        transfer_token_counts: rows,
        links: rows,
        link_readers: rows,
        invitations: rows,
      },
    });
    const uploads = await expireUploads(services).run(contextOf('uploads.expire'));
    expect(uploads.result).toMatchObject({ forgotten: { uploads: rows } });
    for (const table of [
      'jobs',
      'audit_entries',
      'transfer_tokens',
      'transfer_token_counts',
      'links',
      'link_readers',
      'invitations',
      'uploads',
    ]) {
      expect([table, await countOf(table)]).toEqual([table, 0]);
    }
  });

  it('forgets no more batches than it is told', async () => {
    const few = { ...services, forgetBatchesMax: 1 };
    const archives = await expireArchives(few).run(contextOf('archives.expire'));
    expect(archives.result).toMatchObject({
      forgotten: { jobs: 10_000, audit_entries: 10_000, transfer_tokens: 10_000 },
    });
  });
});

it('keeps invitations that wait for an answer, and those answered lately', async () => {
  const { db } = database;
  await db.execute(sql`TRUNCATE invitations`);
  const userId = await insertTestUser(db);
  const folder = await insertTestFolder(db, { ownerId: userId });
  const invite = async (state: string, answered: string | null) => {
    const inviteeId = await insertTestUser(db);
    await db.execute(sql`INSERT INTO invitations
        (id, folder_id, inviter_id, invitee_id, permission, state, created_at, answered_at)
      VALUES (gen_random_uuid(), ${folder.id}, ${userId}, ${inviteeId}, 'ro', ${state}, now() - interval '99 days',
        now() - ${answered}::interval)`);
  };
  await invite('pending', null);
  await invite('accepted', '29 days');
  await invite('rejected', '30 days 1 minute');
  await invite('cancelled', '99 days');
  const archives = await expireArchives(services).run(contextOf('archives.expire'));
  expect(archives.result).toMatchObject({ forgotten: { invitations: 2 } });
  const kept = await db.execute(sql`SELECT state FROM invitations ORDER BY state`);
  expect(kept.map(({ state }) => state)).toEqual(['accepted', 'pending']);
});

describe('forgetting rows', () => {
  it('stops between two batches when it has to', async () => {
    const controller = new AbortController();
    let batches = 0;
    const forgotten = forgetRows({ signal: controller.signal }, async (limit) => {
      batches += 1;
      controller.abort(new Error('stop'));
      return limit;
    });
    await expect(forgotten).rejects.toThrow('stop');
    expect(batches).toBe(1);
  });

  it('ends at some time, even while as much comes as goes', async () => {
    expect(await forgetRows({ signal, batchesMax: 3 }, async (limit) => limit)).toBe(30_000);
  });
});
