import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type EventStream, openEvents } from '../support/event-stream.ts';
import { pathOf } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { at, listAt, textAt, textsAt } from '../support/json.ts';
import { createUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime, uuid } from './rules.ts';
import { type FolderOfAda, type People, type Stage, useFolder, usePeople } from './stage.ts';

const respondAsync = { Prefer: 'respond-async' };

async function startMeasure(own: FolderOfAda): Promise<string> {
  const answer = await own.ada.call('POST', own.folder.path('recalculate'), { headers: respondAsync });
  expectStatus(answer, 202);
  expect(answer.headers['preference-applied']).toBe('respond-async');
  return jobIdIn(answer.headers);
}

function describeRecalculation(own: FolderOfAda): void {
  it('counts the tree and tells before, after and drift', async () => {
    await upload(own.ada, own.folder, { a: '12345', 'd/b': '1' });
    const answer = await own.ada.call('POST', own.folder.path('recalculate'));
    expectStatus(answer, 200);
    const amount = { bytes: 6, files: 2 };
    expect(answer.json).toMatchObject({ before: amount, after: amount, drift: { bytes: 0, files: 0 } });
  });

  it('collapses requests that wait into one job', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => startMeasure(own)));
    for (const id of ids) expect((await awaitJob(own.ada, id)).state).toBe('succeeded');
    expect(new Set(ids).size).toBeLessThanOrEqual(6);
  });
}

function describeReading(stage: Stage, people: People, own: FolderOfAda): void {
  it('shows a job from beginning to end', async () => {
    const id = await startMeasure(own);
    const job = await awaitJob(own.ada, id);
    expect(job.body).toEqual({
      id,
      kind: 'usage.measure',
      state: 'succeeded',
      progress: expect.toSatisfy((value: unknown) => value === null || typeof value === 'object'),
      result: expect.objectContaining({ drift: { bytes: 0, files: 0 } }),
      error: null,
      attempt: expect.any(Number),
      created_at: isoTime,
      started_at: isoTime,
      finished_at: isoTime,
    });
  });

  it('tells a job by events to its end, which is what GET shows then', async () => {
    const id = await startMeasure(own);
    const told = await own.ada.call('GET', `${pathOf('jobs', id)}/events`);
    expectStatus(told, 200);
    const events = told.text.split('\n\n').filter((event) => event.includes('data: '));
    expect(events.at(-1)).toMatch(/^id: [\w-]+\nevent: end\ndata: \{/);
    const shown = await own.ada.call('GET', pathOf('jobs', id));
    expect(JSON.parse(events.at(-1)?.split('data: ')[1] ?? '')).toEqual(shown.json);
  });

  it('tells every job of who asks by one stream, and none of others', async () => {
    const [streamOfAda, streamOfBob] = await Promise.all(
      [own.ada, people.bob.client].map((client) => openEvents(client, '/events')),
    );
    try {
      const id = await startMeasure(own);
      const idsOf = (stream: EventStream | undefined) =>
        stream?.events().map(({ data }) => textAt(data, 'id'));
      await eventually(() => expect(idsOf(streamOfAda)).toContain(id));
      await eventually(() => expect(streamOfAda?.events().map(({ event }) => event)).toContain('end'));
      expect(idsOf(streamOfBob)).not.toContain(id);
      expectProblem(await stage.service.client().call('GET', '/events'), 401, 'auth_required');
    } finally {
      streamOfAda?.close();
      streamOfBob?.close();
    }
  });

  it('shows jobs to who asked for them, and to administrators; to others as if they were not', async () => {
    const id = await startMeasure(own);
    await awaitJob(own.ada, id);
    const path = pathOf('jobs', id);
    expectProblem(await people.bob.client.call('GET', path), 404, 'not_found');
    expectProblem(await people.bob.client.call('DELETE', path), 404, 'not_found');
    expectStatus(await stage.service.administrator.call('GET', path), 200);
    const missing = await people.bob.client.call(
      'GET',
      pathOf('jobs', '00000000-0000-7000-8000-000000000000'),
    );
    const foreign = await people.bob.client.call('GET', path);
    const shown = (text: string) => text.replaceAll(/\/jobs\/[0-9a-f-]+/g, '/jobs/:id');
    expect(shown(foreign.text)).toBe(shown(missing.text));
    for (const wrong of ['x', '%00', '..', "' OR 1", '0'.repeat(32)]) {
      const answer = await own.ada.call('GET', pathOf('jobs', wrong));
      expect(wrong === '..' ? [400] : [404]).toContain(answer.status);
    }
  });

  it('lists own jobs, newest first, by page and state', async () => {
    const carol = await createUser(stage.service, 'carol');
    expect((await carol.client.call('GET', '/jobs')).json).toEqual({ items: [], next_cursor: null });
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) {
      const made = await carol.client.call('POST', '/folders', { json: { name: `f${number}` } });
      const answer = await carol.client.call('DELETE', `/folders/${textAt(made.json, 'id')}`, {
        headers: respondAsync,
      });
      ids.unshift(jobIdIn(answer.headers));
    }
    for (const id of ids) await awaitJob(carol.client, id);
    const all = await carol.client.call('GET', '/jobs');
    expectStatus(all, 200);
    expect(textsAt(all.json, 'id', 'items')).toEqual(ids);
    const seen: string[] = [];
    for (let cursor: string | undefined, pages = 0; pages < 5; pages += 1) {
      const page = await carol.client.call('GET', '/jobs', {
        query: { limit: 2, ...(cursor === undefined ? {} : { cursor }) },
      });
      seen.push(...textsAt(page.json, 'id', 'items'));
      const next = at(page.json, 'next_cursor');
      if (typeof next !== 'string') break;
      cursor = next;
    }
    expect(seen).toEqual(ids);
    const done = await carol.client.call('GET', '/jobs', { query: { state: 'succeeded' } });
    expect(listAt(done.json, 'items')).toHaveLength(5);
    const failed = await carol.client.call('GET', '/jobs', { json: { state: 'failed' } });
    expect(listAt(failed.json, 'items')).toEqual([]);
  });

  it('lists everybody’s to administrators only', async () => {
    await awaitJob(own.ada, await startMeasure(own));
    expectProblem(await own.ada.call('GET', '/jobs', { query: { all: 'true' } }), 403, 'admin_required');
    const all = await stage.service.administrator.call('GET', '/jobs', {
      query: { all: 'true', limit: 500 },
    });
    expectStatus(all, 200);
    expect(listAt(all.json, 'items').length).toBeGreaterThan(0);
    expect(at(all.json, 'items', 0)).toMatchObject({
      id: uuid,
      kind: expect.stringMatching(/^[a-z]+\.[a-z]+$/),
    });
  });

  it.each([
    { state: 'unknown' },
    { state: 1 },
    { state: ['queued'] },
    { limit: 0 },
    { limit: 501 },
    { limit: 'x' },
    { limit: -1 },
    { cursor: 'x' },
    { cursor: 5 },
    { cursor: 'a\u0000' },
    { all: 'perhaps' },
  ])('refuses the parameters %j', async (json) => {
    expectProblem(await own.ada.call('GET', '/jobs', { json }), 400, 'request_malformed');
  });
}

function describeCancellation(own: FolderOfAda): void {
  it('cancels what has not ended, and says so of what has', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const request = { json: { files: ['a'] } };
    const id = jobIdIn((await own.ada.call('POST', own.folder.path('archives'), request)).headers);
    const answer = await own.ada.call('DELETE', pathOf('jobs', id));
    expect([200, 202, 409]).toContain(answer.status);
    const job = await awaitJob(own.ada, id);
    if (answer.status !== 409) expect(['cancelled', 'succeeded']).toContain(job.state);
    expectProblem(await own.ada.call('DELETE', pathOf('jobs', id)), 409, 'job_not_cancellable');
    if (job.state === 'cancelled') {
      expectProblem(await own.ada.call('GET', pathOf('archives', id)), 404, 'not_found');
    }
  });
}

/** Jobs: the heavy routes' other face. */
export function describeJobs(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('recalculation', () => describeRecalculation(own));
  describe('reading', () => describeReading(stage, people, own));
  describe('cancellation', () => describeCancellation(own));
}
