import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { reserveUploads, stageUploads } from '../../db/queries/uploads.ts';
import { findFolderUsage } from '../../db/queries/usage.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { members } from '../../db/schema/members.ts';
import { shareCommitStatements } from '../../worker/commit-statements.ts';
import { openPathClaimer } from '../../worker/path-claimer.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';

let database: TestDatabase;
let ownerId: string;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 16 });
  ownerId = await insertTestUser(database.db);
});
afterAll(() => database.close());
beforeEach(async () => {
  folderId = await newFolder();
});

const newFolder = async () => (await insertTestFolder(database.db, { ownerId })).id;

async function newJob(fence = 1) {
  const id = uuidv7();
  const row = { id, kind: 'upload.commit', volume: 'local', payload: {}, attemptsMax: 1 } as const;
  await database.db.insert(jobs).values({ ...row, state: 'running', fence });
  return { id, fence };
}

/** Stages uploads of one file of 10 bytes each, whose commits run. */
async function startCommits(folder: string, count: number) {
  const claims = await Promise.all(Array.from({ length: count }, () => newJob()));
  const uploads = claims.map((claim) => ({ claim, uploadId: uuidv7() }));
  const amount = { bytes: 10, files: 1 };
  const requests = uploads.map(({ uploadId }) => ({ id: uploadId, actorId: ownerId, amount }));
  expect(await reserveUploads(database.db, folder, requests)).toBe(true);
  const file = { ordinal: 0, sizeBytes: 10, sha256: '00', crc32: 0, version: 'v' };
  const sessions = uploads.map(({ claim, uploadId }) => {
    return { id: uploadId, jobId: claim.id, files: [{ ...file, path: uploadId, inode: uploadId }] };
  });
  expect((await stageUploads(database.db, sessions)).size).toBe(count);
  return uploads.map((upload) => ({ ...upload, folderId: folder }));
}

it('counts every commit once when two workers end those of two folders at the same time', async () => {
  const running = [...(await startCommits(folderId, 40)), ...(await startCommits(await newFolder(), 40))];
  const workers = [shareCommitStatements(database.db), shareCommitStatements(database.db)];
  const ask = async (worker: (typeof workers)[number], order: typeof running) => {
    const ended = await Promise.all(
      order.map(async ({ claim, uploadId, folderId: folder }) => {
        const notes = [{ ordinal: 0, bytes: 0, files: 0 }];
        await worker.note({ claim, uploadId, notes });
        const end = { ...claim, result: null, uploadId, folderId: folder, missing: [] };
        return (await worker.end(end)) ? [claim.id] : [];
      }),
    );
    return ended.flat();
  };
  const ended = await Promise.all(
    workers.map((worker, index) => ask(worker, index === 0 ? running : running.toReversed())),
  );
  expect(ended.flat().sort()).toEqual(running.map(({ claim }) => claim.id).sort());
  for (const folder of new Set(running.map((upload) => upload.folderId))) {
    expect(await findFolderUsage(database.db, folder)).toMatchObject({
      usedBytes: 400,
      usedFiles: 40,
      reservedBytes: 0,
      reservedFiles: 0,
    });
  }
});

it('gives each run of a batch its paths or the reason why not', async () => {
  const claimPaths = openPathClaimer(database.db);
  const stranger = await insertTestUser(database.db);
  const actor = { folderId, actorId: ownerId, right: 'write' } as const;
  const [fit, lost, foreign, above, below, apart] = await Promise.all(
    Array.from({ length: 6 }, () => newJob()),
  );
  if (!fit || !lost || !foreign || !above || !below || !apart) throw new Error('There are six.');
  const answers = await Promise.all([
    claimPaths({ claim: fit, actor, paths: ['a', 'b/c'] }),
    claimPaths({ claim: { ...lost, fence: 0 }, actor, paths: ['x'] }),
    claimPaths({ claim: foreign, actor: { ...actor, actorId: stranger }, paths: ['y'] }),
    claimPaths({ claim: above, actor, paths: ['b'] }),
    claimPaths({ claim: below, actor, paths: ['z', 'a/below'] }),
    claimPaths({ claim: apart, actor, paths: ['bc', 'b/d'] }),
  ]);
  expect(answers).toEqual(['claimed', 'lost', 'forbidden', 'busy', 'busy', 'claimed']);
  // What is not given leaves nothing behind, and what is given may be asked for again.
  const again = await newJob();
  expect(await claimPaths({ claim: again, actor, paths: ['x', 'y', 'z'] })).toBe('claimed');
  expect(await claimPaths({ claim: fit, actor, paths: ['a', 'b/c'] })).toBe('claimed');
  await database.db.delete(members);
  expect(await claimPaths({ claim: again, actor, paths: ['q'] })).toBe('forbidden');
});

it('lets exactly one of many runs in two processes have a path', async () => {
  const actor = { folderId, actorId: ownerId, right: 'write' } as const;
  const claimers = [openPathClaimer(database.db), openPathClaimer(database.db)];
  const claims = await Promise.all(Array.from({ length: 24 }, () => newJob()));
  const answers = await Promise.all(
    claims.map((claim, index) =>
      claimers[index % 2]?.({ claim, actor, paths: [index % 3 === 0 ? 'd' : 'd/e', `own-${index}`] }),
    ),
  );
  expect(answers.filter((answer) => answer === 'claimed')).toHaveLength(1);
  expect(answers.filter((answer) => answer === 'busy')).toHaveLength(23);
});
