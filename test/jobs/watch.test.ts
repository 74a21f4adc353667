import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { jobs } from '../../db/schema/jobs.ts';
import { type JobWatch, type JobWatcher, makeJobWatcher } from '../../jobs/watch.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** Notifications that all get lost. */
const silent = { subscribe: () => () => undefined, close: async () => undefined };

let database: TestDatabase;
let watcher: JobWatcher;
let errors: unknown[];
const watches: JobWatch[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(() => {
  errors = [];
  watcher = makeJobWatcher({
    db: database.db,
    notifications: silent,
    onError: (error) => errors.push(error),
  });
});
afterEach(async () => {
  for (const watch of watches.splice(0)) watch.end();
  await watcher.close();
});

const patient = { timeoutMs: 30_000, signal: new AbortController().signal };

function open(jobId: string): JobWatch {
  const watch = watcher.watch(jobId);
  watches.push(watch);
  return watch;
}

async function insert(): Promise<string> {
  const id = randomUUID();
  const values = { id, kind: 'usage.measure', volume: 'local', payload: {}, attemptsMax: 3 } as const;
  await database.db.insert(jobs).values(values);
  return id;
}

const change = (id: string, values: Partial<typeof jobs.$inferInsert>) =>
  database.db.update(jobs).set(values).where(eq(jobs.id, id));

it('tells how a job is, then each change of it, though every word about it gets lost', async () => {
  const id = await insert();
  const watch = open(id);
  expect(await watch.next(patient)).toMatchObject({ id, state: 'queued' });
  await change(id, { state: 'running', startedAt: new Date() });
  expect(await watch.next(patient)).toMatchObject({ state: 'running', progress: null });
  const progress = { entries: 1, bytes: 2, of: null };
  await change(id, { progress });
  expect(await watch.next(patient)).toMatchObject({ state: 'running', progress });
  await change(id, { state: 'succeeded', finishedAt: new Date(), result: { a: 1 } });
  expect(await watch.next(patient)).toMatchObject({ state: 'succeeded', result: { a: 1 } });
});

it('tells nothing twice, and nothing when the time is up, the signal aborts, or there is no such job', async () => {
  const id = await insert();
  const watch = open(id);
  await watch.next(patient);
  expect(await watch.next({ ...patient, timeoutMs: 50 })).toBeUndefined();
  const controller = new AbortController();
  const waiting = watch.next({ timeoutMs: 60_000, signal: controller.signal });
  controller.abort();
  expect(await waiting).toBeUndefined();
  expect(await open(randomUUID()).next({ ...patient, timeoutMs: 200 })).toBeUndefined();
});

it('tells whoever comes later, beside others and after all others have left', async () => {
  const id = await insert();
  const [first, second] = [open(id), open(id)];
  expect(await first.next(patient)).toMatchObject({ state: 'queued' });
  expect(await second.next(patient)).toMatchObject({ state: 'queued' });
  expect(await open(id).next(patient)).toMatchObject({ state: 'queued' });
  for (const watch of watches.splice(0)) watch.end();
  // Long enough for the round of looks that finds nobody left.
  expect(await open(randomUUID()).next({ ...patient, timeoutMs: 1_500 })).toBeUndefined();
  for (const watch of watches.splice(0)) watch.end();
  expect(await open(randomUUID()).next({ ...patient, timeoutMs: 1_500 })).toBeUndefined();
  expect(await open(id).next(patient)).toMatchObject({ state: 'queued' });
});

it('goes on after the database could not be read', async () => {
  const id = await insert();
  const watch = open(id);
  await watch.next(patient);
  await database.db.execute('ALTER TABLE jobs RENAME TO jobs_away');
  expect(await watch.next({ ...patient, timeoutMs: 1_500 })).toBeUndefined();
  await database.db.execute('ALTER TABLE jobs_away RENAME TO jobs');
  expect(errors.length).toBeGreaterThan(0);
  await change(id, { state: 'running' });
  expect(await watch.next(patient)).toMatchObject({ state: 'running' });
});

it('lets everybody go when the process stops', async () => {
  const id = await insert();
  const watch = open(id);
  await watch.next(patient);
  const waiting = watch.next(patient);
  expect(watch.isOver()).toBe(false);
  await watcher.close();
  expect(await waiting).toBeUndefined();
  expect(watch.isOver()).toBe(true);
});
