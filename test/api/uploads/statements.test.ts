import { eq, inArray } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { shareUploadStatements } from '../../../api/uploads/statements.ts';
import { claimKey } from '../../../db/queries/idempotency-keys.ts';
import { abortUpload } from '../../../db/queries/uploads.ts';
import { findFolderUsage } from '../../../db/queries/usage.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { members } from '../../../db/schema/members.ts';
import { uploads } from '../../../db/schema/uploads.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
let userId: string;
let folderId: string;

beforeAll(async () => {
  service = await startTestService();
  ({ userId } = await service.signUp());
});
afterAll(() => service.close());
beforeEach(async () => {
  const folder = { ownerId: userId, quotaBytes: 1_000, quotaFiles: 20 };
  folderId = (await insertTestFolder(service.services.db, folder)).id;
});

/** What two API processes have. */
const openTwo = () => [0, 1].map(() => shareUploadStatements(service.services));

const request = (bytes: number, files = 1) => {
  return { id: uuidv7(), folderId, actorId: userId, amount: { bytes, files } };
};

const counters = () => findFolderUsage(service.services.db, folderId);

it('grants exactly what fits when batches of two processes ask for more', async () => {
  const [one, two] = openTwo();
  const requests = Array.from({ length: 64 }, () => request(100));
  const granted = await Promise.all(
    requests.map((wanted, index) => (index % 2 === 0 ? one : two)?.reserve(wanted)),
  );
  expect(granted.filter(Boolean)).toHaveLength(10);
  expect(await counters()).toMatchObject({ reservedBytes: 1_000, reservedFiles: 10 });
});

it('refuses what does not fit by itself only: the small ones beside it have their room', async () => {
  const [one] = openTwo();
  const sizes = [400, 2_000, 300, 301, 299];
  const granted = await Promise.all(sizes.map((bytes) => one?.reserve(request(bytes))));
  expect(granted).toEqual([true, false, true, false, true]);
  expect(await counters()).toMatchObject({ reservedBytes: 999, reservedFiles: 3 });
});

function commitOf(id: string) {
  const file = { ordinal: 0, path: id, sizeBytes: 6, sha256: '00', crc32: 0, inode: id, version: 'v' };
  const folder = { id: folderId, volume: 'local' };
  return { id, jobId: uuidv7(), folder, userId, files: [file] };
}

it('records the uploads of a batch beside one that was abandoned and one whose key is taken', async () => {
  const { db } = service.services;
  const [one] = openTwo();
  const requests = Array.from({ length: 5 }, () => request(10));
  expect(await Promise.all(requests.map((wanted) => one?.reserve(wanted)))).not.toContain(false);
  const commits = requests.map(({ id }) => commitOf(id));
  const [, abandoned, , taken, keyed] = commits;
  if (!abandoned || !taken || !keyed) throw new Error('There are five.');
  await abortUpload(db, abandoned.id);
  const key = { userId, key: uuidv7(), owner: uuidv7() };
  expect(await claimKey(db, { ...key, fingerprint: 'f' })).toBe(true);
  const keys = new Map([
    [taken.id, { ...key, owner: uuidv7() }],
    [keyed.id, key],
  ]);
  const outcomes = await Promise.allSettled(
    commits.map((commit) => one?.record({ ...commit, key: keys.get(commit.id) })),
  );
  expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : outcome.reason.code))).toEqual([
    'ok',
    'upload_aborted',
    'ok',
    'idempotency_in_flight',
    'ok',
  ]);
  const made = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(
      inArray(
        jobs.id,
        commits.map(({ jobId }) => jobId),
      ),
    );
  const recorded = commits.filter((commit) => commit !== abandoned && commit !== taken);
  expect(made.map(({ id }) => id).sort()).toEqual(recorded.map(({ jobId }) => jobId).sort());
  // Three are trimmed to their 6 bytes; the other two wait for their clean-up with all of their 10.
  expect(await counters()).toMatchObject({ reservedBytes: 38, reservedFiles: 5 });
  const [row] = await db.select().from(uploads).where(eq(uploads.id, taken.id));
  expect(row).toMatchObject({ state: 'receiving', jobId: null });
});

it('finds a folder once for all who ask for it at the same time, and anew for whoever asks later', async () => {
  const { db, jobs: client } = service.services;
  let looks = 0;
  const execute: typeof db.execute = (query) => {
    looks += 1;
    return db.execute(query);
  };
  const counting = new Proxy(db, {
    get: (target, name): unknown => (name === 'execute' ? execute : Reflect.get(target, name)),
  });
  const { find } = shareUploadStatements({ db: counting, jobs: client });
  const { userId: stranger } = await service.signUp();
  const reference = { userId, name: folderId, folderId, right: 'write' } as const;
  const asked = [userId, stranger, userId, userId, stranger].map((who) =>
    find({ ...reference, userId: who }),
  );
  const found = await Promise.all(asked);
  expect(found.map((folder) => folder?.id ?? null)).toEqual([folderId, null, folderId, folderId, null]);
  expect(looks).toBe(2);
  await db.delete(members).where(eq(members.folderId, folderId));
  expect(await find(reference)).toBeNull();
});

it('never answers with the folder of somebody who names another one alike', async () => {
  const { db, jobs: client } = service.services;
  const { find } = shareUploadStatements({ db, jobs: client });
  const other = await insertTestFolder(db, { ownerId: userId });
  const ask = (id: string) => find({ userId, name: 'alike', folderId: id, right: 'read' });
  const found = await Promise.all([ask(folderId), ask(other.id)]);
  expect(found.map((folder) => folder?.id)).toEqual([folderId, other.id]);
});
