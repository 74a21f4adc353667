import { eq, inArray } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Claim } from '../../../db/queries/job-lease.ts';
import { claimPaths } from '../../../db/queries/path-claims.ts';
import { endUploads, listUploadsToCommit, noteReplaced } from '../../../db/queries/upload-commits.ts';
import { reserveUploads, stageUploads } from '../../../db/queries/uploads.ts';
import { findFolderUsage } from '../../../db/queries/usage.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { pathClaims } from '../../../db/schema/path-claims.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let ownerId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 16 });
  ownerId = await insertTestUser(database.db);
});
afterAll(() => database.close());

const newFolder = async () => (await insertTestFolder(database.db, { ownerId })).id;

/** An upload whose commit runs and has its path and its note. */
interface Running {
  readonly claim: Claim;
  readonly uploadId: string;
}

/** Stages uploads of one file of 10 bytes each, as far as to the end of their commits. */
async function startCommits(folderId: string, count: number): Promise<Running[]> {
  const { db } = database;
  const rows = Array.from({ length: count }, () => ({ uploadId: uuidv7(), jobId: uuidv7() }));
  const amount = { bytes: 10, files: 1 };
  const requests = rows.map(({ uploadId }) => ({ id: uploadId, actorId: ownerId, amount }));
  expect(await reserveUploads(db, folderId, requests)).toBe(true);
  await db.insert(jobs).values(
    rows.map(({ jobId }) => ({
      id: jobId,
      kind: 'upload.commit' as const,
      volume: 'local',
      payload: {},
      attemptsMax: 1,
      state: 'running' as const,
      fence: 1,
    })),
  );
  const file = { ordinal: 0, sizeBytes: 10, sha256: '00', crc32: 0, version: 'v' };
  const sessions = rows.map(({ uploadId, jobId }) => {
    return { id: uploadId, jobId, files: [{ ...file, path: uploadId, inode: uploadId }] };
  });
  expect((await stageUploads(db, sessions)).size).toBe(count);
  const running = rows.map(({ uploadId, jobId }) => ({ claim: { id: jobId, fence: 1 }, uploadId }));
  const notes = [{ ordinal: 0, bytes: 0, files: 0 }];
  await noteReplaced(
    db,
    running.map((upload) => ({ ...upload, notes })),
  );
  for (const { uploadId, jobId } of rows) await claimPaths(db, { folderId, jobId, paths: [uploadId] });
  return running;
}

const endOf = ({ claim, uploadId }: Running) => ({ ...claim, result: { uploadId }, uploadId, missing: [] });

async function counters(folderId: string) {
  const usage = await findFolderUsage(database.db, folderId);
  return {
    used: usage?.usedBytes,
    files: usage?.usedFiles,
    reserved: usage?.reservedBytes,
    reservedFiles: usage?.reservedFiles,
  };
}

it('ends the commits whose claims hold, and writes nothing for one that lost its own', async () => {
  const folderId = await newFolder();
  const running = await startCommits(folderId, 3);
  const [first, second, third] = running.map(({ claim }) => claim.id);
  if (second === undefined) throw new Error('There are three.');
  await database.db.update(jobs).set({ fence: 2 }).where(eq(jobs.id, second));
  expect(await endUploads(database.db, running.map(endOf))).toEqual(new Set([first, third]));
  expect(await counters(folderId)).toEqual({ used: 20, files: 2, reserved: 10, reservedFiles: 1 });
  const claims = await database.db.select().from(pathClaims).where(eq(pathClaims.folderId, folderId));
  expect(claims.map(({ jobId }) => jobId)).toEqual([second]);
  const states = await database.db
    .select({ id: jobs.id, state: jobs.state, result: jobs.result })
    .from(jobs)
    .where(inArray(jobs.id, [second, third ?? '']));
  expect(states).toContainEqual({ id: second, state: 'running', result: null });
  expect(states).toContainEqual({
    id: third,
    state: 'succeeded',
    result: { uploadId: running[2]?.uploadId },
  });
  const loaded = await listUploadsToCommit(
    database.db,
    running.map(({ uploadId }) => uploadId),
  );
  expect(loaded.map(({ state }) => state).sort()).toEqual(['committed', 'committed', 'staged']);
});

it('loads sessions with their files, and none for an unknown id', async () => {
  const folderId = await newFolder();
  const [upload] = await startCommits(folderId, 1);
  if (upload === undefined) throw new Error('There is one.');
  expect(await listUploadsToCommit(database.db, [uuidv7(), upload.uploadId])).toEqual([
    {
      id: upload.uploadId,
      folderId,
      actorId: ownerId,
      state: 'staged',
      reservedBytes: 10,
      reservedFiles: 1,
      files: [
        {
          ordinal: 0,
          path: upload.uploadId,
          sizeBytes: 10,
          sha256: '00',
          crc32: 0,
          inode: upload.uploadId,
          replacedBytes: 0,
          replacedFiles: 0,
        },
      ],
    },
  ]);
});
