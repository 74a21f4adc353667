import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findComingRoom } from '../../../db/queries/coming-room.ts';
import type { Claim } from '../../../db/queries/job-lease.ts';
import { endUploads, noteReplaced, type ReplacedNote } from '../../../db/queries/upload-commits.ts';
import {
  abortUpload,
  growUpload,
  listUploadFiles,
  releaseUpload,
  renewUploadLease,
  reserveUpload,
  type StagedFile,
  stageUploads,
  takeExpiredUploads,
} from '../../../db/queries/uploads.ts';
import { findFolderUsage } from '../../../db/queries/usage.ts';
import { folders } from '../../../db/schema/folders.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { uploads } from '../../../db/schema/uploads.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let ownerId: string;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 16 });
  ownerId = await insertTestUser(database.db);
});
afterAll(() => database.close());
beforeEach(async () => {
  folderId = (await insertTestFolder(database.db, { ownerId, quotaBytes: 1_000, quotaFiles: 10 })).id;
});

async function reserve(bytes: number, files = 1): Promise<string | null> {
  const id = uuidv7();
  const granted = await reserveUpload(database.db, {
    id,
    folderId,
    actorId: ownerId,
    amount: { bytes, files },
  });
  return granted ? id : null;
}

async function counters() {
  const usage = await findFolderUsage(database.db, folderId);
  if (usage === null) throw new Error('The folder is there.');
  return {
    used: usage.usedBytes,
    files: usage.usedFiles,
    reserved: usage.reservedBytes,
    reservedFiles: usage.reservedFiles,
  };
}

function file(ordinal: number, sizeBytes: number): StagedFile {
  return { ordinal, path: `file-${ordinal}`, sizeBytes, sha256: '00', crc32: 0, inode: '1' };
}

async function stage(uploadId: string, files: readonly StagedFile[]): Promise<boolean> {
  const jobId = uuidv7();
  await database.db
    .insert(jobs)
    .values({ id: jobId, kind: 'upload.commit', volume: 'local', payload: {}, attemptsMax: 1 });
  return (await stageUploads(database.db, [{ id: uploadId, jobId, files }])).has(uploadId);
}

describe('reserving', () => {
  it('grants exactly what fits, however many ask at once', async () => {
    const granted = await Promise.all(Array.from({ length: 64 }, () => reserve(100, 0)));
    expect(granted.filter((id) => id !== null)).toHaveLength(10);
    expect(await counters()).toMatchObject({ used: 0, reserved: 1_000 });
  });

  it('never exceeds the number of files', async () => {
    const granted = await Promise.all(Array.from({ length: 30 }, () => reserve(1, 1)));
    expect(granted.filter((id) => id !== null)).toHaveLength(10);
  });

  it('grants the last byte and refuses one more', async () => {
    expect(await reserve(1_000)).not.toBeNull();
    expect(await reserve(1)).toBeNull();
    expect(await reserve(0)).not.toBeNull();
  });

  it('grows a receiving session only while there is room', async () => {
    const id = await reserve(400);
    if (id === null) throw new Error('There is room.');
    expect(await growUpload(database.db, { id, amount: { bytes: 600, files: 0 } })).toBe('granted');
    expect(await growUpload(database.db, { id, amount: { bytes: 1, files: 0 } })).toBe('refused');
    expect(await counters()).toMatchObject({ reserved: 1_000 });
  });

  it('tells a session that was aborted from one that found no room', async () => {
    const id = await reserve(400);
    if (id === null) throw new Error('There is room.');
    await abortUpload(database.db, id);
    expect(await growUpload(database.db, { id, amount: { bytes: 1, files: 0 } })).toBe('gone');
    expect(await renewUploadLease(database.db, id)).toBe(false);
    expect(await stage(id, [file(0, 1)])).toBe(false);
    expect(await counters()).toMatchObject({ reserved: 400 });
  });
});

async function claimOf(uploadId: string): Promise<Claim> {
  const { db } = database;
  const [upload] = await db.select().from(uploads).where(eq(uploads.id, uploadId));
  if (upload === undefined || upload.jobId === null) throw new Error('The upload is staged.');
  const [job] = await db
    .update(jobs)
    .set({ state: 'running' })
    .where(eq(jobs.id, upload.jobId))
    .returning({ id: jobs.id, fence: jobs.fence });
  if (job === undefined) throw new Error('The job is there.');
  return job;
}

async function note(uploadId: string, notes: readonly ReplacedNote[]): Promise<void> {
  const claim = await claimOf(uploadId);
  expect(await noteReplaced(database.db, [{ claim, uploadId, notes }])).toEqual(new Set([claim.id]));
}

/** Ends the commit; all files but the `missing` became visible. */
async function settle(uploadId: string, missing: readonly number[] = []): Promise<void> {
  const claim = await claimOf(uploadId);
  const end = { ...claim, result: null, uploadId, missing };
  expect(await endUploads(database.db, [end])).toEqual(new Set([claim.id]));
}

describe('settling', () => {
  it('notes nothing for a run that lost its claim', async () => {
    const id = await reserve(100);
    if (id === null) throw new Error('There is room.');
    await stage(id, [file(0, 100)]);
    const claim = await claimOf(id);
    const notes = { claim, uploadId: id, notes: [{ ordinal: 0, bytes: 7, files: 1 }] };
    const older = { ...notes, claim: { ...claim, fence: claim.fence - 1 } };
    expect(await noteReplaced(database.db, [older])).toEqual(new Set());
    await database.db.update(jobs).set({ state: 'cancelled' }).where(eq(jobs.id, claim.id));
    expect(await noteReplaced(database.db, [notes])).toEqual(new Set());
    expect(await listUploadFiles(database.db, id)).toMatchObject([{ replacedBytes: null }]);
  });

  it('trims the reservation to what was staged and then turns it into usage, once', async () => {
    const id = await reserve(500, 3);
    if (id === null) throw new Error('There is room.');
    expect(await stage(id, [file(0, 100), file(1, 50)])).toBe(true);
    expect(await counters()).toEqual({ used: 0, files: 0, reserved: 150, reservedFiles: 2 });
    await note(id, [
      { ordinal: 0, bytes: 0, files: 0 },
      { ordinal: 1, bytes: 0, files: 0 },
    ]);
    await settle(id);
    await settle(id);
    expect(await counters()).toEqual({ used: 150, files: 2, reserved: 0, reservedFiles: 0 });
  });

  it('counts a replaced file by the difference, with the first note that was taken', async () => {
    const first = await reserve(300);
    if (first === null) throw new Error('There is room.');
    await stage(first, [file(0, 300)]);
    await note(first, [{ ordinal: 0, bytes: 0, files: 0 }]);
    await settle(first);
    const second = await reserve(120);
    if (second === null) throw new Error('There is room.');
    await stage(second, [file(0, 120)]);
    await note(second, [{ ordinal: 0, bytes: 300, files: 1 }]);
    await note(second, [{ ordinal: 0, bytes: 120, files: 1 }]);
    await settle(second);
    expect(await counters()).toEqual({ used: 120, files: 1, reserved: 0, reservedFiles: 0 });
  });

  it('gives back the reservation of a file that did not land', async () => {
    const id = await reserve(200, 2);
    if (id === null) throw new Error('There is room.');
    await stage(id, [file(0, 150), file(1, 50)]);
    await note(id, [
      { ordinal: 0, bytes: 0, files: 0 },
      { ordinal: 1, bytes: 0, files: 0 },
    ]);
    await settle(id, [0]);
    expect(await counters()).toEqual({ used: 50, files: 1, reserved: 0, reservedFiles: 0 });
  });

  it('stages and settles as many files as a request may hold', async () => {
    const files = Array.from({ length: 10_000 }, (_, ordinal) => file(ordinal, 1));
    const folder = await insertTestFolder(database.db, { ownerId, quotaBytes: 20_000, quotaFiles: 20_000 });
    folderId = folder.id;
    const id = await reserve(files.length, files.length);
    if (id === null) throw new Error('There is room.');
    expect(await stage(id, files)).toBe(true);
    expect(await listUploadFiles(database.db, id)).toEqual(
      files.map((staged) => ({ ...staged, replacedBytes: null, replacedFiles: null })),
    );
    const notes = files.map(({ ordinal }) => ({ ordinal, bytes: 0, files: 0 }));
    await note(id, notes);
    await settle(id);
    expect(await counters()).toEqual({ used: 10_000, files: 10_000, reserved: 0, reservedFiles: 0 });
  });

  it('cannot settle a session that was aborted', async () => {
    const id = await reserve(200);
    if (id === null) throw new Error('There is room.');
    await stage(id, [file(0, 200)]);
    await abortUpload(database.db, id);
    await settle(id);
    await releaseUpload(database.db, id);
    await releaseUpload(database.db, id);
    expect(await counters()).toEqual({ used: 0, files: 0, reserved: 0, reservedFiles: 0 });
  });
});

describe('expiring', () => {
  it('takes only sessions whose lease is over, each once', async () => {
    const dead = await reserve(10);
    const alive = await reserve(10);
    if (dead === null || alive === null) throw new Error('There is room.');
    await database.db
      .update(uploads)
      .set({ leaseUntil: new Date(Date.now() - 1_000) })
      .where(eq(uploads.id, dead));
    const [first, second] = await Promise.all([
      takeExpiredUploads(database.db, { volume: 'local', limit: 10 }),
      takeExpiredUploads(database.db, { volume: 'local', limit: 10 }),
    ]);
    expect([...first, ...second].map((upload) => upload.id)).toEqual([dead]);
    expect(await takeExpiredUploads(database.db, { volume: 'other', limit: 10 })).toEqual([]);
    expect(await renewUploadLease(database.db, alive)).toBe(true);
  });
});

describe('waiting for room', () => {
  const yields = (id: string, bytes: number) =>
    findComingRoom(database.db, { id, folderId, amount: { bytes, files: 0 } });

  it('is worth it for the older of two uploads, which are both in need of it', async () => {
    const older = await reserve(500);
    const younger = await reserve(500);
    if (older === null || younger === null) throw new Error('There is room.');
    expect(await yields(older, 300)).toBe('coming');
    expect(await yields(younger, 300)).toBe('held');
  });

  it('is worth it while an upload is being aborted, whatever its age', async () => {
    const older = await reserve(500);
    const younger = await reserve(500);
    if (older === null || younger === null) throw new Error('There is room.');
    await abortUpload(database.db, older);
    expect(await yields(younger, 300)).toBe('coming');
    await releaseUpload(database.db, older);
    expect(await yields(younger, 300)).toBe('none');
  });

  it('is not worth it for what would not fit into the folder alone', async () => {
    const older = await reserve(500);
    await reserve(500);
    if (older === null) throw new Error('There is room.');
    expect(await yields(older, 500)).toBe('coming');
    expect(await yields(older, 501)).toBe('hopeless');
  });

  it('may be for uploads that are staged, for they may replace files', async () => {
    const older = await reserve(400);
    const staged = await reserve(600);
    if (older === null || staged === null) throw new Error('There is room.');
    await stage(staged, [file(0, 600)]);
    expect(await yields(older, 100)).toBe('held');
  });

  it('is worth it for uploads whose API process is gone, once somebody ends them', async () => {
    const dead = await reserve(400);
    const older = await reserve(600);
    if (older === null || dead === null) throw new Error('There is room.');
    expect(await yields(older, 100)).toBe('held');
    await database.db
      .update(uploads)
      .set({ leaseUntil: new Date(Date.now() - 1_000) })
      .where(eq(uploads.id, dead));
    expect(await yields(older, 100)).toBe('lapsed');
  });

  it('is worth it for trash that a job is purging, if that would be enough', async () => {
    const id = uuidv7();
    await database.db
      .update(folders)
      .set({ usedBytes: 500, trashBytes: 400 })
      .where(eq(folders.id, folderId));
    expect(await yields(id, 200)).toBe('hopeless');
    await database.db
      .insert(jobs)
      .values({ id: uuidv7(), kind: 'trash.purge', volume: 'local', folderId, payload: {}, attemptsMax: 1 });
    expect(await yields(id, 500)).toBe('coming');
    expect(await yields(id, 501)).toBe('hopeless');
  });
});
