import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  claimUploadWriter,
  declareUploadLength,
  findResumableUpload,
  findUploadSegments,
  insertResumableUpload,
  joinUploadParts,
  listStageIds,
  lockUploadParts,
  recordUploadProgress,
  releaseUploadWriter,
  renewUploadWriter,
} from '../../../db/queries/resumable-uploads.ts';
import { abortUpload, listOwnedStageIds, reserveUpload } from '../../../db/queries/uploads.ts';
import { findFolderUsage } from '../../../db/queries/usage.ts';
import { stageIdOf } from '../../../domain/upload-session.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let ownerId: string;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 8 });
  ownerId = await insertTestUser(database.db);
});
afterAll(() => database.close());
beforeEach(async () => {
  folderId = (await insertTestFolder(database.db, { ownerId, quotaBytes: 1_000, quotaFiles: 10 })).id;
});

async function begin(
  values: { shape?: 'whole' | 'partial'; lengthBytes?: number | null; actorId?: string } = {},
): Promise<string> {
  const id = uuidv7();
  const { shape = 'whole', lengthBytes = 100, actorId = ownerId } = values;
  const amount = { bytes: lengthBytes ?? 0, files: shape === 'whole' ? 1 : 0 };
  await database.db.transaction(async (tx) => {
    expect(await reserveUpload(tx, { id, folderId, actorId, amount, leaseSeconds: 3600 })).toBe(true);
    await insertResumableUpload(tx, { id, shape, path: 'f', lengthBytes, metadata: '' });
  });
  return id;
}

async function claim(id: string, offsetBytes: number) {
  const writer = await claimUploadWriter(database.db, { id, offsetBytes });
  if (writer === null) throw new Error('The claim is refused.');
  return writer;
}

/** Lets the lease of whoever writes lapse, as time would. */
async function lapse(id: string): Promise<void> {
  await database.db.execute(sql`
    UPDATE resumable_uploads SET writer_until = now() - interval '1 second' WHERE upload_id = ${id}`);
}

describe('the writer of a resumable upload', () => {
  it('is one at a time, at the recorded offset', async () => {
    const id = await begin();
    expect(await claimUploadWriter(database.db, { id, offsetBytes: 1 })).toBeNull();
    const claims = await Promise.all(
      Array.from({ length: 8 }, () => claimUploadWriter(database.db, { id, offsetBytes: 0 })),
    );
    expect(claims.filter((writer) => writer !== null)).toHaveLength(1);
  });

  it('goes on in the same segment after one that ended properly', async () => {
    const id = await begin();
    const first = await claim(id, 0);
    expect(first.segments).toEqual([{ uploadId: id, ordinal: 0, bytes: 0 }]);
    const segments = [{ uploadId: id, ordinal: 0, bytes: 40 }];
    const progress = { id, fence: first.fence, offsetBytes: 40, segments };
    expect(await recordUploadProgress(database.db, { ...progress, isLast: true })).toBe(true);
    expect(await claim(id, 40)).toMatchObject({ fence: first.fence + 1, segments, lengthBytes: 100 });
  });

  it('starts a segment of its own after one that did not, which can record nothing any more', async () => {
    const id = await begin();
    const first = await claim(id, 0);
    const segments = [{ uploadId: id, ordinal: 0, bytes: 40 }];
    const progress = { id, fence: first.fence, offsetBytes: 40, segments };
    expect(await recordUploadProgress(database.db, { ...progress, isLast: false })).toBe(true);
    expect(await claimUploadWriter(database.db, { id, offsetBytes: 40 })).toBeNull();
    await lapse(id);
    // Nobody wants it: a slow writer may go on.
    expect(await renewUploadWriter(database.db, { id, fence: first.fence, isActive: false })).toBe(true);
    const second = await claim(id, 40);
    expect(second.segments).toEqual([...segments, { uploadId: id, ordinal: 1, bytes: 0 }]);
    expect(await renewUploadWriter(database.db, { id, fence: first.fence, isActive: true })).toBe(false);
    const late = { ...progress, offsetBytes: 100, isLast: true };
    expect(await recordUploadProgress(database.db, late)).toBe(false);
    await releaseUploadWriter(database.db, { id, fence: first.fence, isClosed: true });
    expect(await claimUploadWriter(database.db, { id, offsetBytes: 40 })).toBeNull();
    expect(await findUploadSegments(database.db, id)).toEqual(second.segments);
  });

  it('starts a segment of its own after one that met a fault of the storage', async () => {
    const id = await begin();
    const first = await claim(id, 0);
    await releaseUploadWriter(database.db, { id, fence: first.fence, isClosed: false });
    expect((await claim(id, 0)).segments.map(({ ordinal }) => ordinal)).toEqual([0, 1]);
  });

  it('ends with the upload, the folder and the right to write', async () => {
    const guestId = await insertTestUser(database.db);
    await insertTestMember(database.db, { folderId, userId: guestId, name: 'f', permission: 'rw' });
    const id = await begin({ actorId: guestId });
    const { fence } = await claim(id, 0);
    const renew = (upload: string, at: number) =>
      renewUploadWriter(database.db, { id: upload, fence: at, isActive: true });
    expect(await renew(id, fence)).toBe(true);
    await database.db.execute(sql`UPDATE members SET permission = 'ro' WHERE user_id = ${guestId}`);
    expect(await renew(id, fence)).toBe(false);
    const own = await begin();
    const writer = await claim(own, 0);
    await abortUpload(database.db, own);
    expect(await renew(own, writer.fence)).toBe(false);
    const progress = { id: own, fence: writer.fence, offsetBytes: 1, segments: [], isLast: false };
    expect(await recordUploadProgress(database.db, progress)).toBe(false);
    expect(await claimUploadWriter(database.db, { id: own, offsetBytes: 0 })).toBeNull();
    const other = await begin();
    const last = await claim(other, 0);
    await database.db.execute(sql`UPDATE folders SET state = 'deleted' WHERE id = ${folderId}`);
    expect(await renew(other, last.fence)).toBe(false);
    expect(await findResumableUpload(database.db, { id: other, userId: ownerId })).toBeNull();
  });
});

describe('a resumable upload', () => {
  it('learns its length once, from the one that writes to it', async () => {
    const id = await begin({ lengthBytes: null });
    const { fence } = await claim(id, 0);
    const declare = (lengthBytes: number, at = fence) =>
      declareUploadLength(database.db, { id, fence: at, lengthBytes });
    expect(await declare(5, fence - 1)).toBe(false);
    expect(await declare(5)).toBe(true);
    expect(await declare(5)).toBe(true);
    expect(await declare(6)).toBe(false);
  });

  it('is its maker’s alone', async () => {
    const id = await begin();
    expect(await findResumableUpload(database.db, { id, userId: ownerId })).toMatchObject({
      id,
      offsetBytes: 0,
    });
    expect(await findResumableUpload(database.db, { id, userId: uuidv7() })).toBeNull();
  });

  it('owns the staged files of the parts it was joined from, and their reservation', async () => {
    const partIds = [
      await begin({ shape: 'partial', lengthBytes: 10 }),
      await begin({ shape: 'partial', lengthBytes: 20 }),
    ];
    for (const id of partIds) await claim(id, 0);
    const finalId = uuidv7();
    await database.db.transaction(async (tx) => {
      const parts = await lockUploadParts(tx, { ids: partIds, userId: ownerId });
      const segments = partIds.flatMap((id) => parts.get(id)?.segments ?? []);
      await reserveUpload(tx, { id: finalId, folderId, actorId: ownerId, amount: { bytes: 0, files: 1 } });
      await insertResumableUpload(tx, {
        id: finalId,
        shape: 'final',
        path: 'f',
        lengthBytes: 30,
        metadata: '',
      });
      await joinUploadParts(tx, { finalId, partIds, segments });
    });
    const names = [stageIdOf(finalId, 0), ...partIds.map((id) => stageIdOf(id, 0))];
    expect((await listStageIds(database.db, finalId)).toSorted()).toEqual(names.toSorted());
    expect([...(await listOwnedStageIds(database.db, folderId))].toSorted()).toEqual(names.toSorted());
    expect(await findFolderUsage(database.db, folderId)).toMatchObject({
      reservedBytes: 30,
      reservedFiles: 1,
    });
    expect(await findResumableUpload(database.db, { id: finalId, userId: ownerId })).toMatchObject({
      reservedBytes: 30,
      partIds,
    });
    for (const id of partIds) {
      expect(await findResumableUpload(database.db, { id, userId: ownerId })).toMatchObject({
        state: 'committed',
        reservedBytes: 0,
        finalId,
      });
    }
  });
});
