import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { makeFailedJob } from '../dashboard/failed-job.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { type QueueBackend, type Service, startService } from '../support/service.ts';
import { createFolder, createKeypair, createUser, type TestUser, upload } from '../support/users.ts';

const board = '/admin/queues/api/queues';
const works = ['upload', 'delete', 'archive', 'quota', 'copy'];

function describeOperators(backend: QueueBackend): void {
  let service: Service;
  let ada: TestUser;
  /** Another administrator than the first one. */
  let boss: TestUser;
  beforeAll(async () => {
    service = await startService({ backend, workers: 1 });
    ada = await createUser(service, 'ada');
    boss = await createUser(service, 'boss');
    await service.administrator.call('PATCH', `/admin/users/${boss.id}`, { json: { role: 'admin' } });
  });
  afterAll(() => service?.stop());

  const log = async (query: Record<string, string>, client: Client = service.administrator) =>
    listAt((await client.call('GET', '/admin/audit', { query })).json, 'items');
  const press = async (path: string, json?: unknown): Promise<Answer> => {
    const answer = await boss.client.call('PUT', `${board}${path}`, json === undefined ? {} : { json });
    expect(answer.status, `${path}: ${answer.text}`).toBeLessThan(300);
    return answer;
  };
  /** What an entry has that was made by the request with this answer. */
  const by = (user: TestUser, answer: Answer) => ({
    actor: user.id,
    actor_email: user.email,
    request_id: answer.headers['x-request-id'],
  });
  const waitingJob = async () => {
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { a: 'content' });
    const asked = await ada.client.call('POST', folder.path('archives'), { json: { files: ['a'] } });
    return { id: jobIdIn(asked.headers), folder };
  };

  it('notes who changes a queue, and what was set before, in whatever way', async () => {
    const subject = 'archive.local';
    const paused = await boss.client.call('PATCH', `/admin/queue-settings/${subject}`, {
      json: { is_paused: true, concurrency: 3 },
    });
    const limited = await press(`/${subject}/concurrency`, { concurrency: 2 });
    const lifted = await press(`/${subject}/concurrency`, { concurrency: 0 });
    const resumed = await press(`/${subject}/resume`);
    const again = await press(`/${subject}/pause`);
    await press(`/${subject}/resume`);
    const [, ...entries] = await log({ subject });
    const action = 'queue.change';
    expect(entries).toMatchObject([
      { ...by(boss, again), action, details: { is_paused: true, before: { is_paused: false } } },
      { ...by(boss, resumed), details: { is_paused: false, before: { is_paused: true } } },
      { ...by(boss, lifted), details: { concurrency_max: null, before: { concurrency_max: 2 } } },
      { ...by(boss, limited), details: { concurrency_max: 2, before: { concurrency_max: 3 } } },
      {
        ...by(boss, paused),
        subject,
        details: {
          is_paused: true,
          concurrency_max: 3,
          before: { is_paused: false, concurrency_max: null },
        },
      },
    ]);
  });

  it('notes the buttons for all queues, an entry for each', async () => {
    const paused = await press('/pause');
    const resumed = await press('/resume');
    const names = (entries: readonly unknown[], answer: Answer) =>
      entries
        .filter((entry) => at(entry, 'request_id') === answer.headers['x-request-id'])
        .map((entry) => textAt(entry, 'subject'))
        .sort();
    const entries = await log({ actor: boss.email, action: 'queue.change' });
    const all = works.map((work) => `${work}.local`).sort();
    expect([names(entries, paused), names(entries, resumed)]).toEqual([all, all]);
  });

  it('notes who cancels and retries jobs of others, and nothing when users do so themselves', async () => {
    await press('/archive.local/pause');
    const [first, second, own] = [await waitingJob(), await waitingJob(), await waitingJob()];
    const cancelled = await boss.client.call('DELETE', `/jobs/${first.id}`);
    const removed = await press(`/archive.local/${second.id}/clean`);
    expect((await ada.client.call('DELETE', `/jobs/${own.id}`)).status).toBeLessThan(300);
    await press('/archive.local/resume');
    for (const { id } of [first, second, own]) {
      expect((await awaitJob(ada.client, id)).state).toBe('cancelled');
    }
    const retried = await boss.client.call('POST', `/jobs/${first.id}/retry`);
    const pressed = await press(`/archive.local/${second.id}/retry`);
    expect((await ada.client.call('POST', `/jobs/${own.id}/retry`)).status).toBe(202);
    const details = { kind: 'archive.build', user: ada.id };
    for (const [job, cancel, retry] of [
      [first, cancelled, retried],
      [second, removed, pressed],
    ] as const) {
      expect((await awaitJob(ada.client, job.id)).state).toBe('succeeded');
      const about = { folder: job.folder.id, subject: job.id };
      expect(await log({ subject: job.id })).toMatchObject([
        { ...by(boss, retry), ...about, action: 'job.retry', details: { before: { state: 'cancelled' } } },
        {
          ...by(boss, cancel),
          ...about,
          action: 'job.cancel',
          details: { ...details, before: { state: 'queued' } },
        },
      ]);
    }
    expect(await log({ subject: own.id })).toEqual([]);
  });

  it('notes every job that the button for all failed ones gives another go', async () => {
    const job = await makeFailedJob(ada.client, service.volumeRoot);
    await job.mend();
    const pressed = await press('/archive.local/retry/failed');
    expect((await awaitJob(ada.client, job.id)).state).toBe('succeeded');
    expect(await log({ subject: job.id })).toMatchObject([
      { ...by(boss, pressed), action: 'job.retry', details: { before: { state: 'failed' } } },
    ]);
  });

  it('notes nothing of what was refused', async () => {
    const before = await log({ actor: boss.email });
    const { id } = await waitingJob();
    await awaitJob(ada.client, id);
    expect((await boss.client.call('DELETE', `/jobs/${id}`)).status).toBe(409);
    expect((await boss.client.call('POST', `/jobs/${id}/retry`)).status).toBe(409);
    await boss.client.call('PUT', `${board}/archive.local/${id}/retry`);
    await boss.client.call('PUT', `${board}/archive.local/empty`);
    await boss.client.call('PUT', `${board}/none.local/pause`);
    await boss.client.call('PATCH', '/admin/queue-settings/none.local', { json: { is_paused: true } });
    await ada.client.call('PUT', `${board}/archive.local/pause`);
    expect(await log({ actor: boss.email })).toEqual(before);
    expect(await log({ actor: ada.email, action: 'queue.change' })).toEqual([]);
  });

  it('notes who drains a worker and lets it go on', async () => {
    const [worker] = listAt((await boss.client.call('GET', '/admin/workers')).json, 'items');
    const subject = textAt(worker, 'id');
    const drained = await boss.client.call('POST', `/admin/workers/${subject}/drain`);
    const resumed = await boss.client.call('DELETE', `/admin/workers/${subject}/drain`);
    const where = { host: textAt(worker, 'host'), pid: at(worker, 'pid') };
    expect(await log({ subject })).toMatchObject([
      {
        ...by(boss, resumed),
        action: 'worker.resume',
        details: { ...where, is_draining: false, before: { is_draining: true } },
      },
      {
        ...by(boss, drained),
        action: 'worker.drain',
        details: { ...where, is_draining: true, before: { is_draining: false } },
      },
    ]);
    await eventually(async () => {
      const [now] = listAt((await boss.client.call('GET', '/admin/workers')).json, 'items');
      expect(at(now, 'state')).toBe('active');
    });
  });

  it('names the user of each of two keypairs, and gives all of it as NDJSON', async () => {
    const second = service.client(await createKeypair(service, boss.id));
    const answer = await second.call('PATCH', '/admin/queue-settings/copy.local', {
      json: { concurrency: 9 },
    });
    const headers = { Accept: 'application/x-ndjson' };
    const query = { action: 'queue.change', subject: 'copy.local' };
    const { text } = await service.administrator.call('GET', '/admin/audit', { query, headers });
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines[0]).toMatchObject({ ...by(boss, answer), details: { concurrency_max: 9 } });
    expect(lines).toEqual(await log(query));
  });
}

describeEachQueue('what operators do is on record', describeOperators);
