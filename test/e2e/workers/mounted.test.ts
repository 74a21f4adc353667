import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { TestProcess } from '../../support/process.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import { awaitJob, jobIdIn, readJob } from '../support/jobs.ts';
import { at, textAt } from '../support/json.ts';
import { type QueueBackend, startWorker } from '../support/service.ts';
import { type TestFolder, upload } from '../support/users.ts';
import { createFolderOn } from './create-folder-on.ts';
import { openWorkerStage, type WorkerStage } from './worker-stage.ts';

const later = { Prefer: 'respond-async' };

function describeMounted(backend: QueueBackend): void {
  let stage: WorkerStage;
  let ground: WorkerStage['ground'];
  let admin: WorkerStage['admin'];
  let ada: WorkerStage['ada'];
  let mounts: Readonly<Record<'east' | 'west', string>>;
  const workers: TestProcess[] = [];
  beforeAll(async () => {
    stage = await openWorkerStage(backend, ({ volumeRoot }) => {
      const rootOf = (name: string) => `${name}=${join(volumeRoot, '..', name)}`;
      mounts = { east: rootOf('east'), west: rootOf('west') };
      return { VFOLDER_VOLUMES: `${mounts.east},${mounts.west}` };
    });
    ({ ground, admin, ada } = stage);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  });
  afterAll(() => stage?.close());

  const start = async (env: Readonly<Record<string, string>>) => {
    const worker = await startWorker(ground, env);
    workers.push(worker);
    return worker;
  };
  const folderOn = (host: string) => createFolderOn(ada.client, host);
  const recount = async (folder: TestFolder) =>
    jobIdIn((await ada.client.call('POST', folder.path('recalculate'), { headers: later })).headers);
  const archive = async (folder: TestFolder) =>
    jobIdIn((await ada.client.call('POST', folder.path('archives'), { json: { files: ['a'] } })).headers);
  /** The pid of the process that ran a job. */
  const ranBy = async (queue: string, id: string) => {
    const path = `/admin/queues/api/queues/${queue}/${id}`;
    const shown = (await admin.call('GET', path)).json;
    return Number(textAt(shown, 'job', 'processedBy').split(':').at(-2));
  };
  const stateOf = async (id: string) => (await readJob(ada.client, id)).state;

  it('gives work to the workers that have its volume, and to no other', async () => {
    const [east, west] = [await folderOn('east'), await folderOn('west')];
    const eastern = await start({ VFOLDER_VOLUMES: mounts.east });
    const waiting = [await recount(west), await recount(west)];
    await upload(ada.client, east, { a: 'content' });
    const ended = await awaitJob(ada.client, await recount(east));
    expect([ended.state, await ranBy('quota.east', ended.id)]).toEqual(['succeeded', eastern.pid]);
    for (const id of waiting) expect(await stateOf(id)).toBe('queued');

    const western = await start({ VFOLDER_VOLUMES: mounts.west });
    for (const id of waiting) {
      expect((await awaitJob(ada.client, id)).state).toBe('succeeded');
      expect(await ranBy('quota.west', id)).toBe(western.pid);
    }
    for (let round = 0; round < 5; round += 1) {
      await upload(ada.client, west, { [`${round}`]: 'content' });
      const [one, other] = [await recount(east), await recount(west)];
      await Promise.all([awaitJob(ada.client, one), awaitJob(ada.client, other)]);
      const pids = [await ranBy('quota.east', one), await ranBy('quota.west', other)];
      expect(pids).toEqual([eastern.pid, western.pid]);
    }
  });

  it('leaves the work of a lost worker to the next one that has its volume', async () => {
    const west = await folderOn('west');
    await start({ VFOLDER_VOLUMES: mounts.east });
    const lost = await start({ VFOLDER_VOLUMES: mounts.west });
    process.kill(lost.pid, 'SIGKILL');
    await lost.exited;
    const id = await recount(west);
    const found = await start({ VFOLDER_VOLUMES: `${mounts.west},${mounts.east}` });
    expect((await awaitJob(ada.client, id)).state).toBe('succeeded');
    expect(await ranBy('quota.west', id)).toBe(found.pid);
  });

  it('copies between volumes by a worker that has both, whoever gets the job first, and not at all without one', async () => {
    const [east, west] = [await folderOn('east'), await folderOn('west')];
    await start({ VFOLDER_VOLUMES: mounts.east });
    const both = await start({ VFOLDER_VOLUMES: `${mounts.east},${mounts.west}` });
    await upload(ada.client, west, { a: 'content' });
    const copy = (dst: string) =>
      ada.client.call('POST', east.path('copy'), {
        json: { src: 'a', dst, src_folder: west.id },
        headers: later,
      });
    const clone = (name: string) =>
      ada.client.call('POST', west.path('clone'), {
        json: { target_name: name, target_host: 'east' },
        headers: later,
      });
    const asked = await Promise.all(
      [1, 2, 3, 4, 5, 6].flatMap((n) => [copy(`a${n}`), clone(`${west.name}-${n}`)]),
    );
    for (const { headers } of asked) {
      const job = await awaitJob(ada.client, jobIdIn(headers));
      expect([job.state, at(job.body, 'attempt')]).toEqual(['succeeded', 0]);
    }
    expect(await both.stop()).toBe(0);
    for (const refused of [await copy('b'), await clone(`${west.name}-b`)]) {
      expect([refused.status, textAt(refused.json, 'code')]).toEqual([503, 'volume_unavailable']);
    }
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    const waiting = await copy('c');
    expect(waiting.status).toBe(202);
    await start({ VFOLDER_VOLUMES: `${mounts.east},${mounts.west}` });
    expect((await awaitJob(ada.client, jobIdIn(waiting.headers))).state).toBe('succeeded');
  });

  it('runs as many jobs of a kind at a time as it may, on each volume', async () => {
    const folder = await folderOn('east');
    const content = randomBytes(16 * 1024 * 1024);
    const uploads = await start({ VFOLDER_QUEUES: 'upload', VFOLDER_VOLUMES: mounts.east });
    await upload(ada.client, folder, { a: content });
    const runs = async (concurrency: number) => {
      const ids = [await archive(folder), await archive(folder), await archive(folder)];
      for (const id of ids) expect(await stateOf(id)).toBe('queued');
      const worker = await start({
        VFOLDER_QUEUES: 'archive',
        VFOLDER_VOLUMES: mounts.east,
        VFOLDER_CONCURRENCY: String(concurrency),
      });
      const jobs = await Promise.all(ids.map((id) => awaitJob(ada.client, id)));
      await worker.stop();
      const times = jobs.map(({ state, body }) => {
        expect(state).toBe('succeeded');
        return [textAt(body, 'started_at'), textAt(body, 'finished_at')] as const;
      });
      return times.sort(([one], [other]) => (one < other ? -1 : 1));
    };
    const [first, second, third] = await runs(1);
    expect([at(second, 0), at(third, 0)]).toEqual([
      expect.toSatisfy((start: string) => start >= textAt(first, 1)),
      expect.toSatisfy((start: string) => start >= textAt(second, 1)),
    ]);
    // The canary: the same times show it when three may run.
    const [one, two, three] = await runs(3);
    const firstEnd = [textAt(one, 1), textAt(two, 1), textAt(three, 1)].sort()[0] ?? '';
    expect(textAt(three, 0) < firstEnd).toBe(true);
    expect(await uploads.stop()).toBe(0);
  });
}

describeEachQueue('workers and what they have mounted', describeMounted);
