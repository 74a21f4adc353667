import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { replyAfterJob } from '../../../api/http/job-reply.ts';
import { jobRoutes } from '../../../api/jobs/routes.ts';
import { domainError } from '../../../domain/errors.ts';
import type { JobHandler } from '../../../jobs/handler.ts';
import type { OpenJobClient } from '../../../jobs/open-job-client.ts';
import { aborted, makeStage, newJob, type Stage } from '../../jobs/job-stage.ts';
import { describeEachBackend } from '../../support/backends.ts';
import { eventually } from '../../support/eventually.ts';
import { gate } from '../../support/gate.ts';
import {
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  startCoreServer,
  type TestKeypair,
} from '../core-server.ts';
import { defineTestRoute } from '../test-route.ts';

const secrets = makeSecretBox();

/** A route that gives work and waits for it as all such routes do. */
const measure = defineTestRoute({
  method: 'POST',
  path: '/measure',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({}),
  handle: async (request) => {
    const { services, principal } = request;
    const job = newJob({ actorId: principal.userId });
    const id = await services.db.transaction((tx) => services.jobs.enqueue(tx, job));
    services.jobs.dispatch([id]);
    return replyAfterJob(request, id, ({ result }) => ({ status: 200, body: result }));
  },
});

describeEachBackend('routes with jobs', (backend) => {
  let stage: Stage;
  let client: OpenJobClient;
  let server: CoreServer;
  let owner: TestKeypair;
  let admin: TestKeypair;

  beforeEach(async () => {
    stage = makeStage(backend);
    client = await stage.openClient();
    const routes = [...jobRoutes, measure];
    server = await startCoreServer(backend.database, { secrets, routes, services: { jobs: client } });
    owner = await makeKeypair(backend.database, secrets);
    admin = await makeKeypair(backend.database, secrets, { role: 'admin' });
  });
  afterEach(async () => {
    await server?.close();
    await stage?.close();
  });

  const work = (run: JobHandler<'usage.measure'>['run']) =>
    stage.openConsumer(client, { 'usage.measure': { run } });
  const call = (method: string, path: string, by = owner, headers: Record<string, string> = {}) =>
    server.send({ method, path, headers: { ...basic(by), ...headers } });
  const submit = (by = owner) => stage.submit(client, { actorId: by.userId });

  it('answers the final status once the job is done', async () => {
    await work(async () => ({ result: { before: 1, after: 2 } }));
    const { status, json, headers } = await call('POST', '/measure');
    expect(status).toBe(200);
    expect(json).toEqual({ before: 1, after: 2 });
    expect(headers['preference-applied']).toBeUndefined();
  });

  it('answers 202 with the place of the job at once to Prefer: respond-async', async () => {
    const { status, json, headers } = await call('POST', '/measure', owner, { prefer: 'respond-async' });
    expect(status).toBe(202);
    expect(headers.location).toBe(`/jobs/${json.id}`);
    expect(headers['preference-applied']).toBe('respond-async');
    const job = await call('GET', String(headers.location));
    expect(job.json).toMatchObject({
      id: json.id,
      kind: 'usage.measure',
      state: 'queued',
      finished_at: null,
    });
  });

  it('answers 202 when the wait that was preferred is over', async () => {
    const { status, headers } = await call('POST', '/measure', owner, { prefer: 'wait=0' });
    expect(status).toBe(202);
    expect(headers['preference-applied']).toBe('wait=0');
    const later = await call('POST', '/measure', owner, { prefer: 'respond-async, wait=1' });
    expect(later.status).toBe(202);
    expect(later.headers['preference-applied']).toBe('respond-async, wait=1');
  });

  it('answers a failed job with the problem of its code', async () => {
    await work(async () => {
      throw domainError('entry_conflict', 'A directory is there.');
    });
    const { status, json } = await call('POST', '/measure');
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'entry_conflict' });
  });

  it('answers a job that somebody cancels meanwhile with 409', async () => {
    const started = gate();
    await work(async ({ signal }) => {
      started.open();
      await aborted(signal);
      throw signal.reason;
    });
    const waiting = call('POST', '/measure');
    await started.opened;
    // What an earlier test left may have begun first.
    const job = await eventually(async () => {
      const { json } = await call('GET', '/jobs?state=running');
      const [first] = z
        .array(z.object({ id: z.string() }))
        .min(1)
        .parse(json.items);
      return first;
    });
    const cancelled = await call('DELETE', `/jobs/${job?.id}`);
    expect([200, 202]).toContain(cancelled.status);
    expect(await waiting).toMatchObject({ status: 409, json: { code: 'job_cancelled' } });
  });

  it('shows a job in full to its user, and to administrators', async () => {
    await work(async () => ({ result: { bytes: 7 } }));
    const id = await submit();
    await stage.ended(id);
    const { json } = await call('GET', `/jobs/${id}`);
    expect(json).toEqual({
      id,
      kind: 'usage.measure',
      state: 'succeeded',
      progress: null,
      result: { bytes: 7 },
      error: null,
      attempt: 0,
      created_at: expect.stringMatching(/Z$/),
      started_at: expect.stringMatching(/Z$/),
      finished_at: expect.stringMatching(/Z$/),
    });
    expect((await call('GET', `/jobs/${id.replaceAll('-', '')}`, admin)).json).toEqual(json);
  });

  it('answers the same 404 for a job of somebody else, for one that is not there and for no id', async () => {
    const id = await submit();
    const stranger = await makeKeypair(backend.database, secrets);
    const missing = id.replace(/.{4}$/, '0000');
    for (const method of ['GET', 'DELETE']) {
      for (const path of [`/jobs/${id}`, `/jobs/${missing}`, '/jobs/x', "/jobs/'", '/jobs/%E2%80%AE']) {
        const { status, json } = await call(method, path, stranger);
        expect(status).toBe(404);
        expect({ ...json, instance: '' }).toEqual({
          type: '/problems/not_found',
          title: 'Not found',
          status: 404,
          detail: expect.any(String),
          instance: '',
          code: 'not_found',
        });
      }
    }
    expect((await call('GET', `/jobs/${id}`)).status).toBe(200);
  });

  it('lists own jobs newest first, page by page, and all jobs to administrators only', async () => {
    const own = [await submit(), await submit(), await submit()].reverse();
    const other = await submit(admin);
    const idsOf = (items: unknown) =>
      z
        .array(z.object({ id: z.string() }))
        .parse(items)
        .map(({ id }) => id);
    const first = await call('GET', '/jobs?limit=2');
    expect(idsOf(first.json.items)).toEqual(own.slice(0, 2));
    const second = await call('GET', `/jobs?limit=2&cursor=${first.json.next_cursor}`);
    expect(idsOf(second.json.items)).toEqual(own.slice(2));
    expect(second.json.next_cursor).toBeNull();

    expect(idsOf((await call('GET', '/jobs', admin)).json.items)).toEqual([other]);
    const all = idsOf((await call('GET', '/jobs?all=true', admin)).json.items);
    expect(all).toEqual(expect.arrayContaining([...own, other]));
    expect((await call('GET', '/jobs?all=true')).json.code).toBe('admin_required');
  });

  it.each(['limit=0', 'limit=501', 'state=lost', 'cursor=x', 'all=perhaps'])(
    'answers 400 to ?%s',
    async (query) => {
      expect((await call('GET', `/jobs?${query}`)).status).toBe(400);
    },
  );

  it('cancels a waiting job, and refuses to cancel one that has ended', async () => {
    const id = await submit();
    const cancel = await call('DELETE', `/jobs/${id}`);
    expect([200, 202]).toContain(cancel.status);
    await work(async () => ({ result: null }));
    await eventually(async () => {
      expect((await call('GET', `/jobs/${id}`)).json.state).toBe('cancelled');
    });
    const done = await submit();
    await stage.ended(done);
    const refused = await call('DELETE', `/jobs/${done}`);
    expect(refused.status).toBe(409);
    expect(refused.json.code).toBe('job_not_cancellable');
  });
});
