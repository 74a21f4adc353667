import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import { awaitJob, jobIdIn, readJob } from '../support/jobs.ts';
import { at, listAt, numberAt, textAt } from '../support/json.ts';
import { type QueueBackend, startWorker } from '../support/service.ts';
import { createFolder, upload } from '../support/users.ts';
import { openWorkerStage, type WorkerStage } from './worker-stage.ts';

const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
/** No worker has it. */
const nobody = '01890000-0000-7000-8000-000000000000';

function describeWorkers(backend: QueueBackend): void {
  let stage: WorkerStage;
  let ground: WorkerStage['ground'];
  let admin: WorkerStage['admin'];
  let ada: WorkerStage['ada'];
  beforeAll(async () => {
    stage = await openWorkerStage(backend);
    ({ ground, admin, ada } = stage);
  });
  afterAll(() => stage?.close());

  const list = async () => listAt((await admin.call('GET', '/admin/workers')).json, 'items');
  const find = async (pid: number) => (await list()).find((worker) => at(worker, 'pid') === pid);
  const present = (pid: number) =>
    eventually(async () => {
      const worker = await find(pid);
      if (worker === undefined) throw new Error('The worker is not listed.');
      return worker;
    });
  const queue = async (name: string) => {
    const answer = await admin.call('GET', '/admin/queue-settings');
    return listAt(answer.json, 'items').find((one) => at(one, 'queue') === name);
  };

  it('lists a worker with its settings while it runs, and no longer when it has ended', async () => {
    expect(await list()).toEqual([]);
    const worker = await startWorker(ground, { VFOLDER_QUEUES: 'upload,quota', VFOLDER_CONCURRENCY: '3' });
    expect(await find(worker.pid)).toEqual({
      id: uuid,
      host: expect.any(String),
      pid: worker.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      state: 'active',
      queues: ['upload', 'quota'],
      volumes: ['local'],
      concurrency: { upload: 3, quota: 3 },
      // The service has work of its own.
      jobs: expect.any(Array),
      started_at: isoTime,
      last_beat_at: isoTime,
    });
    expect([await queue('upload.local'), await queue('delete.local')]).toMatchObject([
      { workers: 1 },
      { workers: 0 },
    ]);
    const board = (name: string) => admin.call('GET', `/admin/queues/api/queues/${name}/workers`);
    expect((await board('upload.local')).json).toEqual({
      workers: [
        {
          id: uuid,
          name: expect.any(String),
          addr: expect.stringMatching(`:${worker.pid}$`),
          age: expect.any(Number),
        },
      ],
    });
    expect((await board('delete.local')).json).toEqual({ workers: [] });
    expect(await worker.stop()).toBe(0);
    expect(await list()).toEqual([]);
  });

  it('leaves work to workers that take it, by kind', async () => {
    const uploads = await startWorker(ground, { VFOLDER_QUEUES: 'upload' });
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { a: 'content' });
    const headers = { Prefer: 'respond-async' };
    const asked = await ada.client.call('POST', folder.path('recalculate'), { headers });
    const id = jobIdIn(asked.headers);
    await upload(ada.client, folder, { b: 'goes on meanwhile' });
    expect((await readJob(ada.client, id)).state).toBe('queued');
    await eventually(async () =>
      expect(numberAt(await queue('quota.local'), 'oldest_waiting_seconds')).toBeGreaterThan(0),
    );
    const measures = await startWorker(ground, { VFOLDER_QUEUES: 'quota' });
    expect((await awaitJob(ada.client, id)).state).toBe('succeeded');
    await Promise.all([uploads.stop(), measures.stop()]);
  });

  it('drains a worker, which stays and takes jobs again when it is told to', async () => {
    const worker = await startWorker(ground);
    const folder = await createFolder(ada.client);
    const id = textAt(await present(worker.pid), 'id');
    const drained = await admin.call('POST', `/admin/workers/${id}/drain`);
    expect([drained.status, at(drained.json, 'id')]).toEqual([202, id]);
    await eventually(async () => expect(at(await find(worker.pid), 'state')).toBe('drained'));
    expect(at(await queue('quota.local'), 'workers')).toBe(0);
    const headers = { Prefer: 'respond-async' };
    const asked = await ada.client.call('POST', folder.path('recalculate'), { headers });
    const waiting = jobIdIn(asked.headers);
    const other = await startWorker(ground);
    expect((await awaitJob(ada.client, waiting)).state).toBe('succeeded');
    await other.stop();
    const resumed = await admin.call('DELETE', `/admin/workers/${id}/drain`);
    expect(resumed.status).toBe(202);
    await eventually(async () => expect(at(await find(worker.pid), 'state')).toBe('active'));
    expect((await ada.client.call('POST', folder.path('recalculate'))).status).toBe(200);
    expect(await worker.stop()).toBe(0);
  });

  it('pauses, resumes and limits queues', async () => {
    const worker = await startWorker(ground);
    const path = '/admin/queue-settings/quota.local';
    const changed = await admin.call('PATCH', path, { json: { is_paused: true, concurrency: 2 } });
    expect(changed.status).toBe(200);
    expect(changed.json).toEqual({
      queue: 'quota.local',
      work: 'quota',
      volume: 'local',
      is_paused: true,
      concurrency: 2,
      counts: {
        waiting: expect.any(Number),
        delayed: 0,
        active: expect.any(Number),
        completed: expect.any(Number),
        failed: 0,
      },
      oldest_waiting_seconds: at(changed.json, 'oldest_waiting_seconds'),
      workers: 1,
    });
    const folder = await createFolder(ada.client);
    const headers = { Prefer: 'respond-async' };
    const asked = await ada.client.call('POST', folder.path('recalculate'), { headers });
    const id = jobIdIn(asked.headers);
    await upload(ada.client, folder, { a: 'the other queues go on' });
    expect((await readJob(ada.client, id)).state).toBe('queued');
    expect(await queue('quota.local')).toMatchObject({ is_paused: true });
    expect(numberAt(await queue('quota.local'), 'counts', 'waiting')).toBeGreaterThan(0);
    const resumed = await admin.call('PATCH', `${path}?is_paused=false`);
    expect(resumed.json).toMatchObject({ is_paused: false, concurrency: 2 });
    expect((await awaitJob(ada.client, id)).state).toBe('succeeded');
    const lifted = await admin.call('PATCH', path, { json: { concurrency: null } });
    expect(lifted.json).toMatchObject({ is_paused: false, concurrency: null });
    await worker.stop();
  });

  it('refuses what is none of its settings, unknown queues and workers, and everybody but administrators', async () => {
    const settings = '/admin/queue-settings/quota.local';
    for (const json of [
      {},
      { concurrency: 0 },
      { concurrency: 10_001 },
      { concurrency: 1.5 },
      { concurrency: 'many' },
      { concurrency: [1] },
      { is_paused: 'perhaps' },
      { is_paused: null },
    ]) {
      const answer = await admin.call('PATCH', settings, { json });
      expect([answer.status, at(answer.json, 'code')], JSON.stringify(json)).toEqual([
        400,
        'request_malformed',
      ]);
    }
    for (const name of ['none', 'quota', 'quota.none', 'none.local', '__proto__', "' OR 1=1 --"]) {
      const path = `/admin/queue-settings/${encodeURIComponent(name)}`;
      expect((await admin.call('PATCH', path, { json: { is_paused: true } })).status, name).toBe(404);
    }
    for (const id of [nobody, 'none', '1', "' OR 1=1 --"]) {
      for (const method of ['POST', 'DELETE'] as const) {
        const answer = await admin.call(method, `/admin/workers/${encodeURIComponent(id)}/drain`);
        expect([answer.status, at(answer.json, 'code')], id).toEqual([404, 'not_found']);
      }
    }
    const anonymous = stage.client();
    for (const [method, path] of [
      ['GET', '/admin/workers'],
      ['POST', `/admin/workers/${nobody}/drain`],
      ['DELETE', `/admin/workers/${nobody}/drain`],
      ['GET', '/admin/queue-settings'],
      ['PATCH', settings],
    ] as const) {
      const answers = [await ada.client.call(method, path), await anonymous.call(method, path)];
      expect(answers.map(({ status, json }) => [status, at(json, 'code')])).toEqual([
        [403, 'admin_required'],
        [401, 'auth_required'],
      ]);
    }
  });
}

describeEachQueue('workers as operators see them', describeWorkers);
