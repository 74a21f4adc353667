import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { settleMeasure, startMeasure } from '../../../db/queries/measure.ts';
import {
  claimPaths,
  findClaimedEntries,
  noteClaimedEntries,
  releaseClaims,
  retireClaims,
} from '../../../db/queries/path-claims.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 16 });
});
afterAll(() => database.close());
beforeEach(async () => {
  const ownerId = await insertTestUser(database.db);
  folderId = (await insertTestFolder(database.db, { ownerId })).id;
});

async function newJob(): Promise<string> {
  const id = uuidv7();
  await database.db
    .insert(jobs)
    .values({ id, kind: 'upload.commit', volume: 'local', payload: {}, attemptsMax: 1 });
  return id;
}

async function claim(jobId: string, ...paths: string[]) {
  return database.db.transaction((tx) => claimPaths(tx, { folderId, jobId, paths }));
}

describe('claiming paths', () => {
  it.each([
    ['a', 'a'],
    ['a', 'a/b'],
    ['a/b/c', 'a'],
    ['a/b', 'a/b/c/d'],
    ['50%_x', '50%_x/y'],
  ])('keeps %j from a second job that wants %j', async (held, wanted) => {
    expect(await claim(await newJob(), held)).toBe('claimed');
    expect(await claim(await newJob(), wanted)).toBe('busy');
  });

  it.each([
    ['a', 'ab'],
    ['a/b', 'a/c'],
    ['a', 'A'],
    ['%', 'x'],
    ['a_', 'ab/c'],
  ])('lets %j and %j go side by side', async (held, wanted) => {
    expect(await claim(await newJob(), held)).toBe('claimed');
    expect(await claim(await newJob(), wanted)).toBe('claimed');
  });

  it('is a no-op for the same job and free again after release', async () => {
    const job = await newJob();
    expect(await claim(job, 'a', 'b')).toBe('claimed');
    expect(await claim(job, 'a', 'b')).toBe('claimed');
    await releaseClaims(database.db, job);
    expect(await claim(await newJob(), 'a')).toBe('claimed');
  });

  it('tells claims of whole requests apart, however many paths they hold', async () => {
    const list = (directory: string) =>
      Array.from({ length: 10_000 }, (_, index) => `${directory}/deep/er/file-${index}`);
    expect(await claim(await newJob(), ...list('left'))).toBe('claimed');
    expect(await claim(await newJob(), ...list('right'))).toBe('claimed');
    expect(await claim(await newJob(), ...list('third'), 'right/deep/er/file-9999/below')).toBe('busy');
    expect(await claim(await newJob(), ...list('third'), 'left')).toBe('busy');
  });

  it('lets exactly one of many concurrent jobs in', async () => {
    const ids = await Promise.all(Array.from({ length: 16 }, newJob));
    const outcomes = await Promise.all(ids.map((id, index) => claim(id, index % 2 === 0 ? 'x' : 'x/y')));
    const claimed = outcomes.filter((outcome) => outcome === 'claimed');
    expect(claimed).toHaveLength(1);
  });
});

describe('measuring beside claims', () => {
  async function startAtRest() {
    const start = await startMeasure(database.db, folderId);
    if (start === null || start.isBusy) throw new Error('The folder rests.');
    return start;
  }

  it('does not start while a job holds a path, nor while its accounting is retired but open', async () => {
    const job = await newJob();
    await claim(job, 'a');
    expect(await startMeasure(database.db, folderId)).toMatchObject({ isBusy: true });
    expect(await retireClaims(database.db, { folderId, jobId: job })).toBe(true);
    expect(await startMeasure(database.db, folderId)).toMatchObject({ isBusy: true });
    expect(await claim(await newJob(), 'a')).toBe('claimed');
  });

  it('leaves the claims to a job that has begun, with the entries they are for', async () => {
    const job = await newJob();
    await claim(job, 'a', 'b');
    const entries = [
      { path: 'b', slot: 0, identity: '7-1' },
      { path: 'a', slot: 1, identity: '8-1' },
    ];
    await noteClaimedEntries(database.db, { folderId, jobId: job, entries });
    await database.db.update(jobs).set({ startedAt: new Date() }).where(eq(jobs.id, job));
    expect(await retireClaims(database.db, { folderId, jobId: job })).toBe(false);
    expect(await findClaimedEntries(database.db, job)).toEqual(entries);
    expect(await claim(await newJob(), 'a')).toBe('busy');
  });

  it('forgets the entries of retired claims', async () => {
    const job = await newJob();
    await claim(job, 'a');
    await noteClaimedEntries(database.db, {
      folderId,
      jobId: job,
      entries: [{ path: 'a', slot: 0, identity: '7-1' }],
    });
    expect(await retireClaims(database.db, { folderId, jobId: job })).toBe(true);
    expect(await findClaimedEntries(database.db, job)).toBeNull();
  });

  it('does not write when a claim came and went since the start', async () => {
    const start = await startAtRest();
    const job = await newJob();
    await claim(job, 'a');
    await releaseClaims(database.db, job);
    const usage = { live: { bytes: 7, files: 1 }, trash: { bytes: 0, files: 0 }, directories: 0 };
    const { mutationSeq } = start;
    expect(await settleMeasure(database.db, { folderId, mutationSeq, usage })).toBe(false);
    const again = await startAtRest();
    expect(await settleMeasure(database.db, { folderId, mutationSeq: again.mutationSeq, usage })).toBe(true);
  });
});
