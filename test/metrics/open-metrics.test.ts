import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { volumes } from '../../db/schema/volumes.ts';
import type { JobKind } from '../../domain/job.ts';
import { type Metrics, type MetricsOptions, openMetrics } from '../../metrics/open-metrics.ts';
import { withCalls } from '../storage/faulty-volume.ts';
import { openTestVolume, type TestVolume } from '../storage/test-volume.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { figureOf, readExposition } from '../support/exposition.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';
import { findFreePort } from '../support/free-port.ts';

let database: TestDatabase;
let volume: TestVolume;
let opened: Metrics | undefined;

beforeAll(async () => {
  [database, volume] = await Promise.all([createTestDatabase(), openTestVolume()]);
});
afterAll(async () => {
  await database?.close();
  await volume?.close();
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

async function open(options: Partial<MetricsOptions> = {}) {
  opened = openMetrics({
    version: '1.2.3',
    volumes: new Map([['local', volume.volume]]),
    databaseUrl: database.url,
    ...options,
  });
  const url = `http://127.0.0.1:${await opened.listen({ port: 0, host: '127.0.0.1' })}`;
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`${url}${path}`, init);
    return { status: answer.status, text: await answer.text() };
  };
  const scrape = async () => readExposition((await ask('/metrics')).text);
  return { metrics: opened, ask, scrape };
}

async function insertJobs(kind: JobKind, count: number, values: Partial<typeof jobs.$inferInsert> = {}) {
  const rows = Array.from({ length: count }, () => ({
    id: uuidv7(),
    kind,
    volume: 'local',
    payload: {},
    attemptsMax: 8,
    ...values,
  }));
  await database.db.insert(jobs).values(rows);
}

describe('the figures of an API process', () => {
  it('count the rows of jobs: waiting ones of every priority, delayed, running and failed', async () => {
    await insertJobs('trash.purge', 3, { priority: 0 });
    await insertJobs('folder.purge', 2, { priority: 10, createdAt: new Date(Date.now() - 90_000) });
    await insertJobs('trash.purge', 1, { attempt: 2 });
    await insertJobs('upload.commit', 4, { state: 'running', leaseUntil: new Date() });
    await insertJobs('archive.build', 1, { state: 'failed', finishedAt: new Date() });
    await insertJobs('archive.build', 5, { state: 'succeeded', finishedAt: new Date() });
    const { scrape, ask } = await open();
    const samples = await scrape();
    const count = (queue: string, state: string) => figureOf(samples, 'bullmq_job_count', { queue, state });
    expect(count('delete.local', 'waiting')).toBe(5);
    expect(count('delete.local', 'delayed')).toBe(1);
    expect(count('upload.local', 'active')).toBe(4);
    expect(count('archive.local', 'failed')).toBe(1);
    expect(count('quota.local', 'waiting')).toBe(0);
    const oldest = figureOf(samples, 'vfolder_queue_oldest_waiting_seconds', { queue: 'delete.local' });
    expect(oldest).toBeGreaterThanOrEqual(90);
    expect(JSON.parse((await ask('/backlog')).text)).toMatchObject({
      backlog: { all: 9, delete: 5, upload: 4, archive: 0, copy: 0, quota: 0 },
    });
  });

  it('have the state of every volume, and count what a read-only one holds up as delayed', async () => {
    const held = { volume: 'held', createdAt: new Date(Date.now() - 900_000) };
    await insertJobs('entries.copy', 2, held);
    await insertJobs('usage.measure', 1, held);
    await database.db.insert(volumes).values({ name: 'held', state: 'read_only' });
    const both = new Map([
      ['local', volume.volume],
      ['held', volume.volume],
    ]);
    const { scrape, ask } = await open({ volumes: both });
    const samples = await scrape();
    const states = ['active', 'read_only', 'draining'];
    const flags = (name: string) =>
      states.map((state) => figureOf(samples, 'vfolder_volume_state', { volume: name, state }));
    expect([flags('local'), flags('held')]).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    const copies = { queue: 'copy.held' };
    expect(figureOf(samples, 'bullmq_job_count', { ...copies, state: 'waiting' })).toBe(0);
    expect(figureOf(samples, 'bullmq_job_count', { ...copies, state: 'delayed' })).toBe(2);
    expect(figureOf(samples, 'vfolder_queue_oldest_waiting_seconds', copies)).toBe(0);
    expect(figureOf(samples, 'bullmq_job_count', { queue: 'quota.held', state: 'waiting' })).toBe(1);
    expect(JSON.parse((await ask('/backlog')).text)).toMatchObject({ backlog: { copy: 0, quota: 1 } });
    await database.db.delete(jobs).where(eq(jobs.volume, 'held'));
    await database.db.delete(volumes);
  });

  it('add up folders, usage and drift by volume, and leave purged folders out', async () => {
    const ownerId = await insertTestUser(database.db);
    for (const volume of ['local', 'local', 'other'])
      await insertTestFolder(database.db, { ownerId, volume });
    await database.db
      .update(folders)
      .set({ usedBytes: 2 ** 40, trashBytes: 5, usageDriftBytes: 7 })
      .where(sql`true`);
    await insertTestFolder(database.db, { ownerId });
    await database.db.update(folders).set({ state: 'purged' }).where(sql`used_bytes = 0`);
    const { scrape } = await open();
    const samples = await scrape();
    expect(figureOf(samples, 'vfolder_folders', { volume: 'local', state: 'active' })).toBe(2);
    expect(figureOf(samples, 'vfolder_folders', { state: 'purged' })).toBeUndefined();
    expect(figureOf(samples, 'vfolder_usage_bytes', { volume: 'local', state: 'live' })).toBe(2 ** 41);
    expect(figureOf(samples, 'vfolder_usage_bytes', { volume: 'other', state: 'trash' })).toBe(5);
    expect(figureOf(samples, 'vfolder_usage_drift_bytes', { volume: 'local' })).toBe(14);
  });

  it('have room and pace of the volume, the event loop, the process and the connections', async () => {
    const { scrape } = await open();
    const samples = await scrape();
    expect(figureOf(samples, 'vfolder_volume_bytes', { volume: 'local', kind: 'free' })).toBeGreaterThan(0);
    expect(figureOf(samples, 'vfolder_volume_probe_seconds', { volume: 'local' })).toBeGreaterThan(0);
    expect(figureOf(samples, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(figureOf(samples, 'process_resident_memory_bytes')).toBeGreaterThan(0);
    const own = samples.filter(
      ({ name, labels }) => name === 'vfolder_db_pool' && labels.program === 'vfolder-metrics',
    );
    expect(own.reduce((sum, { value }) => sum + value, 0)).toBe(1);
    for (const collector of ['volumes', 'queues', 'folders', 'connections', 'volume_states'])
      expect(figureOf(samples, 'vfolder_collector_up', { collector })).toBe(1);
  });

  it('take labels from routes and words of ours alone, whatever callers send', async () => {
    const { metrics, scrape } = await open();
    const requests = metrics.countRequests();
    const common = { status: 404, isAborted: false, seconds: 1, transfer: undefined };
    for (let index = 0; index < 100; index += 1)
      requests.ended({ ...common, method: `X${index}"}\n`, route: undefined });
    requests.ended({ ...common, method: 'PUT', route: '/a/:b', isAborted: true });
    const counts = (await scrape()).filter(
      ({ name }) => name === 'vfolder_http_request_duration_seconds_count',
    );
    expect(counts.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
      { method: 'other', route: 'none', status: '404', value: 100 },
      { method: 'PUT', route: '/a/:b', status: 'aborted', value: 1 },
    ]);
  });
});

describe('a scrape in bad times', () => {
  it('answers without the database’s figures and says so, and tells autoscalers nothing rather than 0', async () => {
    const databaseUrl = `postgres://nobody@127.0.0.1:${await findFreePort()}/none`;
    const { scrape, ask } = await open({ databaseUrl });
    const samples = await scrape();
    expect(figureOf(samples, 'vfolder_collector_up', { collector: 'queues' })).toBe(0);
    expect(figureOf(samples, 'vfolder_collector_up', { collector: 'volumes' })).toBe(1);
    expect(samples.filter(({ name }) => name === 'bullmq_job_count')).toEqual([]);
    expect((await ask('/backlog')).status).toBe(503);
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('answers without a volume that hangs, which it asks only once', async () => {
    let asked = 0;
    const hung = withCalls(volume.volume, () => {
      asked += 1;
      return new Promise(() => undefined);
    });
    const { scrape } = await open({
      volumes: new Map([
        ['local', volume.volume],
        ['hung', hung],
      ]),
    });
    const samples = await scrape();
    await scrape();
    expect(figureOf(samples, 'vfolder_collector_up', { collector: 'volumes' })).toBe(0);
    expect(figureOf(samples, 'vfolder_volume_probe_seconds', { volume: 'hung' })).toBeUndefined();
    expect(figureOf(samples, 'vfolder_volume_probe_seconds', { volume: 'local' })).toBeGreaterThan(0);
    expect(asked).toBe(1);
  });

  it('gives all who ask at once the same page, and refuses what is no read of it', async () => {
    const { ask } = await open();
    const pages = await Promise.all(Array.from({ length: 20 }, () => ask('/metrics')));
    expect(pages.every(({ status, text }) => status === 200 && readExposition(text).length > 20)).toBe(true);
    expect((await ask('/metrics', { method: 'POST', body: 'x'.repeat(100_000) })).status).toBe(405);
    expect(await ask('/metrics', { method: 'HEAD' })).toEqual({ status: 200, text: '' });
    for (const path of ['/', '/metrics/', '/__proto__']) expect((await ask(path)).status).toBe(404);
  });
});

describe('the figures of a worker process', () => {
  it('are of itself and its volumes, without a connection to the database', async () => {
    opened = openMetrics({ version: '1.2.3', volumes: new Map([['local', volume.volume]]) });
    const jobMetrics = opened.countJobs();
    const work = { queue: 'upload', volume: 'local', kind: 'upload.commit' } as const;
    jobMetrics.waited(work, 2);
    jobMetrics.ran(work, { result: 'succeeded', seconds: 3 });
    const port = await opened.listen({ port: 0, host: '127.0.0.1' });
    const samples = readExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
    const labels = { queue: 'upload.local', name: 'upload.commit' };
    expect(figureOf(samples, 'vfolder_job_wait_seconds_sum', labels)).toBe(2);
    expect(figureOf(samples, 'vfolder_job_duration_seconds_sum', { ...labels, result: 'succeeded' })).toBe(3);
    expect((await fetch(`http://127.0.0.1:${port}/backlog`)).status).toBe(404);
  });
});
