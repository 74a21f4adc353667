import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  deleteTransferTokenCounts,
  findTransferToken,
  findTransferTokenRelief,
  insertTransferToken,
  type TransferTokenLimits,
} from '../../../db/queries/transfer-tokens.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

const ample = { tokens: 1_000, bytes: 1_000_000 };
let database: TestDatabase;
let userId: string;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.close());
beforeEach(async () => {
  userId = await insertTestUser(database.db);
  folderId = (await insertTestFolder(database.db, { ownerId: userId })).id;
});

interface Given {
  readonly limits?: TransferTokenLimits;
  readonly keptBytes?: number;
  readonly userId?: string;
  readonly tokenHash?: string;
}

function keep({
  limits = ample,
  keptBytes = 10,
  tokenHash = randomBytes(32).toString('hex'),
  ...who
}: Given) {
  return insertTransferToken(database.db, {
    tokenHash,
    verb: 'download',
    folderId,
    userId: who.userId ?? userId,
    paths: ['a b', 'ü"\\'],
    isArchive: true,
    fileName: null,
    uploadId: null,
    lifeSeconds: 3_600,
    keptBytes,
    limits,
  });
}

async function keptRows(): Promise<number> {
  const [row] = await database.db.execute<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM transfer_tokens WHERE user_id = ${userId}`,
  );
  return row?.n ?? -1;
}

/** Lets time pass for what was counted so far. */
async function passHours(hours: number): Promise<void> {
  await database.db.execute(
    sql`UPDATE transfer_token_counts SET good_until = good_until - make_interval(hours => ${hours}::int)`,
  );
}

describe('a transfer token', () => {
  it('is kept with all that it is for', async () => {
    const tokenHash = randomBytes(32).toString('hex');
    expect(await keep({ tokenHash })).toBe(true);
    expect(await findTransferToken(database.db, { tokenHash, verb: 'download' })).toEqual({
      verb: 'download',
      folderId,
      userId,
      paths: ['a b', 'ü"\\'],
      isArchive: true,
      fileName: null,
      uploadId: null,
    });
  });

  it('is refused to a user who has as many as there may be, and to nobody else', async () => {
    const limits = { ...ample, tokens: 3 };
    for (const isKept of [true, true, true, false, false]) expect(await keep({ limits })).toBe(isKept);
    expect(await keptRows()).toBe(3);
    expect(await keep({ limits, userId: await insertTestUser(database.db) })).toBe(true);
  });

  it('is refused when its paths do not fit beside those that are kept, and a smaller one is not', async () => {
    const limits = { ...ample, bytes: 100 };
    expect(await keep({ limits, keptBytes: 101 })).toBe(false);
    expect(await keep({ limits, keptBytes: 90 })).toBe(true);
    expect(await keep({ limits, keptBytes: 11 })).toBe(false);
    expect(await keep({ limits, keptBytes: 10 })).toBe(true);
    expect(await keep({ limits, keptBytes: 1 })).toBe(false);
    expect(await keptRows()).toBe(2);
  });

  it('is refused however many are asked for at once, but for those under way', async () => {
    const limits = { ...ample, tokens: 20 };
    const atOnce = 8;
    let refused = 0;
    const askOn = async () => {
      for (let count = 0; count < 20; count += 1) if (!(await keep({ limits }))) refused += 1;
    };
    await Promise.all(Array.from({ length: atOnce }, askOn));
    const kept = await keptRows();
    expect(kept).toBeGreaterThanOrEqual(20);
    expect(kept).toBeLessThan(20 + atOnce);
    expect(kept + refused).toBe(20 * atOnce);
  });

  it('makes room once it has expired', async () => {
    const limits = { ...ample, tokens: 1 };
    expect(await findTransferTokenRelief(database.db, userId)).toBeNull();
    expect(await keep({ limits })).toBe(true);
    expect(await keep({ limits })).toBe(false);
    const seconds = (await findTransferTokenRelief(database.db, userId)) ?? 0;
    expect(seconds).toBeGreaterThan(3_590);
    expect(seconds).toBeLessThanOrEqual(3_900);
    await passHours(2);
    expect(await findTransferTokenRelief(database.db, userId)).toBeNull();
    expect(await keep({ limits })).toBe(true);
    expect(await deleteTransferTokenCounts(database.db, 10)).toBeGreaterThan(0);
    expect(await keep({ limits })).toBe(false);
  });
});
