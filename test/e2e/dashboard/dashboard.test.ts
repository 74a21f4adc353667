import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { awaitJob, jobIdIn, readJob } from '../support/jobs.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { type QueueBackend, type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestUser, upload } from '../support/users.ts';
import { makeFailedJob } from './failed-job.ts';

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const ownPage = { 'Sec-Fetch-Site': 'same-origin' };

function describeDashboard(backend: QueueBackend): void {
  let service: Service;
  let ada: TestUser;
  let browser: Client;
  let admin: Client;
  beforeAll(async () => {
    service = await startService({ backend, workers: 1 });
    ada = await createUser(service, 'ada');
    browser = service.client();
    admin = service.administrator;
  });
  afterAll(() => service?.stop());

  const signIn = (keypair: { accessKey: string; secretKey: string }, options: { to?: string } = {}) => {
    const fields = { access_key: keypair.accessKey, secret_key: keypair.secretKey, ...options };
    const body = new URLSearchParams(fields).toString();
    return browser.call('POST', '/sign-in', { headers: { ...form, ...ownPage }, body });
  };
  const cookieIn = (answer: Answer) => answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const readQueue = async (name: string, state = 'latest') => {
    const path = `/admin/queues/api/queues?activeQueue=${name}&status=${state}&page=1&jobsPerPage=10`;
    const answer = await admin.call('GET', path);
    return listAt(answer.json, 'queues').find((queue) => at(queue, 'name') === name);
  };

  describe('signing in', () => {
    it('sends a browser from the dashboard to the sign-in page, and back once it has signed in', async () => {
      const html = { headers: { Accept: 'text/html,*/*' } };
      const asked = await browser.call('GET', '/admin/queues', html);
      expect([asked.status, asked.headers.location]).toEqual([303, '/sign-in?to=%2Fadmin%2Fqueues']);
      const page = await browser.call('GET', asked.headers.location ?? '');
      expect(page.text).toContain('<input type="hidden" name="to" value="/admin/queues">');
      const signedIn = await signIn(service.admin, { to: '/admin/queues' });
      expect([signedIn.status, signedIn.headers.location]).toEqual([303, '/admin/queues']);
      expect(signedIn.headers['set-cookie']?.[0]).toMatch(/; HttpOnly; SameSite=Strict$/);
      const headers = { Cookie: cookieIn(signedIn), ...html.headers };
      const board = await browser.call('GET', '/admin/queues', { headers });
      expect(board.status).toBe(200);
      expect(board.text).toContain('VFolder queues');
      expect(board.text).not.toMatch(/https?:\/\//);
      const signedOut = await browser.call('POST', '/sign-out', { headers: { ...headers, ...ownPage } });
      expect(signedOut.status).toBe(303);
      const { Cookie } = headers;
      const after = await browser.call('GET', '/admin/queues/api/queues', { headers: { Cookie } });
      expect(after.status).toBe(401);
    });

    it('refuses wrong keys with the page, and leads nowhere else afterwards', async () => {
      const wrong = await signIn({ ...service.admin, secretKey: 'wrong' });
      expect(wrong.status).toBe(401);
      expect(wrong.text).toContain('role="alert"');
      for (const to of ['https://evil.example', '//evil.example', '/\\evil.example', 'evil', '/a\r\nX: y']) {
        expect((await signIn(service.admin, { to })).headers.location).toBe('/admin/queues');
      }
      const script = await browser.call('GET', `/sign-in?to=${encodeURIComponent('/"><script>')}`);
      expect(script.text).not.toContain('<script>');
    });

    it('is refused from pages of other sites', async () => {
      const body = new URLSearchParams({ access_key: 'a', secret_key: 'b' }).toString();
      for (const headers of [
        form,
        { ...form, Origin: 'https://evil.example' },
        { ...form, Origin: 'null' },
        { ...form, 'Sec-Fetch-Site': 'cross-site' },
        { ...form, 'Sec-Fetch-Site': 'same-origin', Origin: 'https://evil.example' },
      ]) {
        expect((await browser.call('POST', '/sign-in', { headers, body })).status).toBe(403);
      }
    });

    it('gives a session the rights of its user and no others', async () => {
      const sound = cookieIn(await signIn(ada.keypair));
      // What another page of the host left under the same name hides nothing.
      const headers = { Cookie: `vfolder_session=planted; ${sound}` };
      expect((await browser.call('GET', '/folders', { headers })).status).toBe(200);
      expect((await browser.call('GET', '/admin/queues', { headers })).status).toBe(403);
      const json = { name: 'by session' };
      expect((await browser.call('POST', '/folders', { headers, json })).status).toBe(403);
      const fromPage = { ...headers, Origin: service.url };
      expect((await browser.call('POST', '/folders', { headers: fromPage, json })).status).toBe(201);
    });
  });

  describe('the board', () => {
    it('lists every queue with exact figures', async () => {
      const folder = await createFolder(ada.client);
      await upload(ada.client, folder, { a: 'content' });
      const answer = await admin.call('GET', '/admin/queues/api/queues');
      const names = listAt(answer.json, 'queues').map((queue) => textAt(queue, 'name'));
      const kinds = ['archive.local', 'delete.local', 'quota.local', 'upload.local'];
      expect(names).toEqual(expect.arrayContaining(kinds));
      const queue = await readQueue('upload.local', 'completed');
      expect(at(queue, 'counts', 'completed')).toBeGreaterThan(0);
      const job = listAt(queue, 'jobs').find((one) => at(one, 'name') === 'upload.commit');
      expect(at(job, 'externalUrl', 'href')).toBe(`/jobs/${textAt(job, 'id')}`);
    });

    it('pauses a queue for every worker, over a restart of them, and resumes it', async () => {
      const path = '/admin/queues/api/queues/archive.local';
      expect((await admin.call('PUT', `${path}/pause`)).status).toBe(200);
      const folder = await createFolder(ada.client);
      await upload(ada.client, folder, { a: 'content' });
      const [pid] = service.pids().workers;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      await eventually(async () => {
        const [other] = service.pids().workers;
        expect(other).toBeDefined();
        expect(other).not.toBe(pid);
      });
      const asked = await ada.client.call('POST', folder.path('archives'), { json: { files: ['a'] } });
      const id = jobIdIn(asked.headers);
      await upload(ada.client, folder, { b: 'the other queues go on' });
      expect((await readJob(ada.client, id)).state).toBe('queued');
      const queue = await readQueue('archive.local');
      expect([at(queue, 'isPaused'), at(queue, 'counts', 'waiting')]).toEqual([true, 1]);
      expect((await admin.call('PUT', `${path}/resume`)).status).toBe(200);
      expect((await awaitJob(ada.client, id)).state).toBe('succeeded');
    });

    it('shows why a job failed and gives it another go', async () => {
      const job = await makeFailedJob(ada.client, service.volumeRoot);
      const queue = await readQueue('archive.local', 'failed');
      const shown = listAt(queue, 'jobs').find((one) => at(one, 'id') === job.id);
      expect(at(shown, 'failedReason')).toMatch(/^\w+: \w/);
      await job.mend();
      const path = `/admin/queues/api/queues/archive.local/${job.id}/retry`;
      expect((await admin.call('PUT', path)).status).toBe(204);
      expect((await awaitJob(ada.client, job.id)).state).toBe('succeeded');
      const again = await ada.client.call('POST', `/jobs/${job.id}/retry`);
      expect([again.status, at(again.json, 'code')]).toEqual([409, 'job_not_retriable']);
    });

    it('limits how many jobs of a queue run at a time, and lifts the limit', async () => {
      const path = '/admin/queues/api/queues/quota.local/concurrency';
      for (const [concurrency, shown] of [
        [1, 1],
        [0, null],
      ] as const) {
        expect((await admin.call('PUT', path, { json: { concurrency } })).status).toBe(200);
        expect(at(await readQueue('quota.local'), 'globalConcurrency')).toBe(shown);
      }
    });

    it('refuses with a problem what it cannot do', async () => {
      const folder = await createFolder(ada.client);
      await upload(ada.client, folder, { a: 'content' });
      const asked = await ada.client.call('POST', folder.path('archives'), { json: { files: ['a'] } });
      const id = jobIdIn(asked.headers);
      await awaitJob(ada.client, id);
      const queue = '/admin/queues/api/queues/archive.local';
      for (const concurrency of [2 ** 31, 1e30]) {
        const answer = await admin.call('PUT', `${queue}/concurrency`, { json: { concurrency } });
        expect([concurrency, answer.status, at(answer.json, 'code')]).toEqual([
          concurrency,
          400,
          'request_malformed',
        ]);
      }
      for (const [method, path, status, code] of [
        ['PUT', `${queue}/${id}/retry`, 409, 'job_not_retriable'],
        ['PUT', `${queue}/${id}/clean`, 409, 'job_not_cancellable'],
        ['PUT', `${queue}/retry/completed`, 409, 'job_not_retriable'],
        ['PUT', '/admin/queues/api/queues/none.local/retry/failed', 404, 'not_found'],
        ['GET', `${queue}/${id}/flow`, 404, 'not_found'],
      ] as const) {
        const answer = await admin.call(method, path, method === 'GET' ? {} : { json: {} });
        expect([path, answer.status, at(answer.json, 'code')]).toEqual([path, status, code]);
        expect(answer.headers['content-type']).toBe('application/problem+json');
      }
    });

    it.each([
      ['the dashboard', 'PUT', '/admin/queues/api/queues/archive.local/retry/failed'],
      ['the route for programs', 'POST', '/admin/queue-settings/archive.local/retry-failed'],
    ])('gives all failed jobs another go by %s, and leaves cancelled ones', async (_what, method, path) => {
      const failed = await makeFailedJob(ada.client, service.volumeRoot);
      const folder = await createFolder(ada.client);
      await upload(ada.client, folder, { a: 'content' });
      await admin.call('PATCH', '/admin/queue-settings/archive.local', { json: { is_paused: true } });
      const asked = await ada.client.call('POST', folder.path('archives'), { json: { files: ['a'] } });
      const unwanted = jobIdIn(asked.headers);
      await ada.client.call('DELETE', `/jobs/${unwanted}`);
      await admin.call('PATCH', '/admin/queue-settings/archive.local', { json: { is_paused: false } });
      await failed.mend();
      const counts = at(await readQueue('archive.local'), 'counts');
      expect(at(counts, 'failed')).toBe(1);
      const answer = await admin.call(method, path, { json: {} });
      expect([answer.status, answer.json]).toEqual([200, { retried: 1, skipped: 0 }]);
      expect((await awaitJob(ada.client, failed.id)).state).toBe('succeeded');
      expect((await readJob(ada.client, unwanted)).state).toBe('cancelled');
    });

    it('has no button for pages of other sites, whatever the browser proves itself by', async () => {
      const path = '/admin/queues/api/queues/archive.local/pause';
      for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
        for (const auth of ['basic', { hmac: { version: 'v9.20250722' } }] as const) {
          const answer = await admin.call('PUT', path, { auth, headers });
          expect([answer.status, at(answer.json, 'code')]).toEqual([403, 'origin_refused']);
        }
      }
      expect(at(await readQueue('archive.local'), 'isPaused')).toBe(false);
    });

    it.each([
      ['PUT', '/admin/queues/api/queues/upload.local/empty'],
      ['PUT', '/admin/queues/api/queues/upload.local/obliterate'],
      ['PUT', '/admin/queues/api/queues/upload.local/clean/completed'],
      ['POST', '/admin/queues/api/queues/upload.local/add'],
    ])('refuses %s %s, which would break what the service promises', async (method, path) => {
      expect((await admin.call(method, path, { json: {} })).status).toBe(405);
    });

    it('answers HEAD of its page as GET, from pages of other sites as well', async () => {
      const headers = { 'Sec-Fetch-Site': 'cross-site' };
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => admin.call(method, '/admin/queues', { headers })),
      );
      expect([head?.status, head?.text]).toEqual([200, '']);
      expect(head?.headers['content-length']).toBe(get?.headers['content-length']);
    });

    it('has no page beside its own', async () => {
      for (const path of [
        'api/queues/none.local/x',
        'static/../../package.json',
        'static/%2e%2e/index.ejs',
      ]) {
        expect((await admin.call('GET', `/admin/queues/${path}`)).status).toBeGreaterThanOrEqual(400);
      }
    });
  });
}

describeEachQueue('the dashboard', describeDashboard);
