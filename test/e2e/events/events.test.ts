import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { type EventStream, openEvents } from '../support/event-stream.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { awaitJob } from '../support/jobs.ts';
import { textAt } from '../support/json.ts';
import { type Ground, layGround, prepareGround, startApi, startWorker } from '../support/service.ts';
import { createFolder, createUser, type TestUser } from '../support/users.ts';

/** Streams that one API process serves to a user at the same time. */
const streamsMax = 32;

let ground: Ground;
let api: Awaited<ReturnType<typeof startApi>>;
let other: Awaited<ReturnType<typeof startApi>>;
let worker: TestProcess | undefined;
let administrator: Client;
const clients: Client[] = [];
const streams: EventStream[] = [];

const clientOf = (url: string, keypair: Client['keypair']) => {
  const client = createClient(url, keypair);
  clients.push(client);
  return client;
};
const newUser = (word: string) =>
  createUser({ administrator, client: (keypair) => clientOf(api.url, keypair) }, word);

beforeAll(async () => {
  ground = await layGround({ backend: 'postgres' });
  await prepareGround(ground);
  [api, other] = await Promise.all([startApi(ground), startApi(ground)]);
  administrator = clientOf(api.url, ground.admin);
}, 60_000);
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await worker?.stop();
  worker = undefined;
});
afterAll(async () => {
  for (const client of clients) client.close();
  expect(await Promise.all([api?.process.stop(), other?.process.stop()])).toEqual([0, 0]);
  await ground?.remove();
});

async function open(client: Client, jobId: string, lastEventId?: string): Promise<EventStream> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const stream = await openEvents(client, `/jobs/${jobId}/events`, headers);
  streams.push(stream);
  return stream;
}

/** A job that waits, for there is no worker. */
async function newJob(client: Client): Promise<string> {
  const folder = await createFolder(client);
  const answer = await client.call('POST', folder.path('upload'), {
    parts: [{ fileName: 'x', bytes: 'abc' }],
    headers: { prefer: 'respond-async' },
  });
  expect(answer.status).toBe(202);
  return textAt(answer.json, 'id');
}

const statesOf = (stream: EventStream) =>
  stream.events().map(({ event, data }) => `${event} ${textAt(data, 'state')}`);

const begun = (stream: EventStream) =>
  eventually(() => {
    const [first] = stream.events();
    if (first?.id === undefined) throw new Error('No event yet.');
    return first.id;
  });

describe('the events of all jobs of a user', () => {
  const openAll = async (client: Client, lastEventId?: string): Promise<EventStream> => {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const stream = await openEvents(client, '/events', headers);
    streams.push(stream);
    return stream;
  };
  const toldOf = (stream: EventStream) =>
    stream.events().map(({ event, data }) => `${event} ${textAt(data, 'id')} ${textAt(data, 'state')}`);

  it('tell what waits, what is new, and every end, and nothing of others', async () => {
    const [ada, bob] = [await newUser('ada'), await newUser('bob')];
    const [first, foreign] = [await newJob(ada.client), await newJob(bob.client)];
    const stream = await openAll(ada.client);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    await begun(stream);
    expect(toldOf(stream)).toEqual([`progress ${first} queued`]);
    const second = await newJob(ada.client);
    await eventually(() => expect(toldOf(stream)).toContain(`progress ${second} queued`));
    worker = await startWorker(ground);
    await eventually(() => {
      for (const id of [first, second]) expect(toldOf(stream)).toContain(`end ${id} succeeded`);
    });
    const shown = await ada.client.call('GET', `/jobs/${second}`);
    expect(stream.events().map(({ data }) => data)).toContainEqual(shown.json);
    expect(toldOf(stream).join()).not.toContain(foreign);
    expect(new Set(toldOf(stream)).size).toBe(toldOf(stream).length);
  });

  it('bring after a break, from another process, what ended meanwhile, and without one nothing that is over', async () => {
    const ada = await newUser('ada');
    const jobId = await newJob(ada.client);
    const first = await openAll(ada.client);
    const heard = await begun(first);
    first.close();
    worker = await startWorker(ground);
    await awaitJob(ada.client, jobId);
    const elsewhere = clientOf(other.url, ada.keypair);
    const [resumed, fresh] = [await openAll(elsewhere, heard), await openAll(elsewhere)];
    await begun(resumed);
    expect(toldOf(resumed)).toEqual([`end ${jobId} succeeded`]);
    const next = await newJob(ada.client);
    await eventually(() => expect(toldOf(fresh)).toContain(`end ${next} succeeded`));
    expect(toldOf(fresh).join()).not.toContain(jobId);
  });

  it('take anything for the id of an event', async () => {
    const ada = await newUser('ada');
    const jobId = await newJob(ada.client);
    for (const strange of ['', 'x', '-1', '9'.repeat(15), '9'.repeat(300), '1e3', '\u00e9']) {
      const stream = await openAll(ada.client, strange);
      expect(stream.status).toBe(200);
      await begun(stream);
      expect(toldOf(stream)).toEqual([`progress ${jobId} queued`]);
    }
  });

  it('are cut when the keypair is switched off', async () => {
    const ada = await newUser('ada');
    await newJob(ada.client);
    const stream = await openAll(ada.client);
    await begun(stream);
    const path = `/admin/keypairs/${ada.keypair.accessKey}`;
    expect((await administrator.call('PATCH', path, { json: { state: 'inactive' } })).status).toBeLessThan(
      300,
    );
    expect(await stream.ended).toBe(false);
  });

  it('end in order when their process stops', async () => {
    const stopping = await startApi(ground);
    const stream = await openAll(clientOf(stopping.url, ground.admin));
    const [code, isOrderly] = await Promise.all([stopping.process.stop(), stream.ended]);
    expect([code, isOrderly]).toEqual([0, true]);
  });
});

describe('the events of a job', () => {
  it('end when the browser they go to signs out, in every process', async () => {
    const ada = await newUser('ada');
    const jobId = await newJob(ada.client);
    const signedIn = await ada.client.call('POST', '/sign-in', {
      auth: 'none',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: ada.client.url },
      body: new URLSearchParams({
        access_key: ada.keypair.accessKey,
        secret_key: ada.keypair.secretKey,
      }).toString(),
    });
    const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    const browsers = [api, other].map(({ url }) => clientOf(url, undefined));
    const opened = await Promise.all(
      browsers.map((browser) => openEvents(browser, `/jobs/${jobId}/events`, { cookie })),
    );
    streams.push(...opened);
    const byKey = await open(ada.client, jobId);
    for (const stream of streams) await begun(stream);
    const out = await ada.client.call('POST', '/sign-out', {
      auth: 'none',
      headers: { cookie, Origin: ada.client.url },
    });
    expect(out.status).toBe(303);
    await Promise.all(opened.map((stream) => stream.ended));
    const again = await browsers[1]?.call('GET', `/jobs/${jobId}`, { headers: { cookie } });
    expect(again?.status).toBe(401);
    const cut = await Promise.race([byKey.ended, Promise.resolve('still open')]);
    expect(cut).toBe('still open');
  });

  it('tell how it stands and how it ended, each time as GET does, whichever process runs it', async () => {
    const ada = await newUser('ada');
    const jobId = await newJob(ada.client);
    const stream = await open(ada.client, jobId);
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    await begun(stream);
    expect(statesOf(stream)).toEqual(['progress queued']);
    worker = await startWorker(ground);
    expect(await stream.ended).toBe(true);
    const states = statesOf(stream);
    expect(states.at(-1)).toBe('end succeeded');
    expect(new Set(states.slice(0, -1))).toEqual(
      new Set(
        states.includes('progress running') ? ['progress queued', 'progress running'] : ['progress queued'],
      ),
    );
    const shown = await ada.client.call('GET', `/jobs/${jobId}`);
    expect(stream.events().at(-1)?.data).toEqual(shown.json);
  });

  it('go on after the last one heard, at another process, and say with 204 that the end was heard', async () => {
    const ada = await newUser('ada');
    const elsewhere = clientOf(other.url, ada.keypair);
    const jobId = await newJob(ada.client);
    const first = await open(ada.client, jobId);
    const heard = await begun(first);
    first.close();
    const second = await open(elsewhere, jobId, heard);
    const unheard = await open(elsewhere, jobId, 'of-another-time');
    expect(await begun(unheard)).toBe(heard);
    expect(second.events()).toEqual([]);
    worker = await startWorker(ground);
    expect(await second.ended).toBe(true);
    expect(statesOf(second)).not.toContain('progress queued');
    const last = second.events().at(-1);
    expect(last?.event).toBe('end');
    for (const client of [ada.client, elsewhere]) {
      const again = await open(client, jobId, last?.id ?? '');
      expect(again.status).toBe(204);
      const late = await open(client, jobId, heard);
      expect(await late.ended).toBe(true);
      expect(late.events()).toEqual([last]);
    }
  });

  it('are those of who asked for it, and of administrators; to others there is no such job', async () => {
    const [ada, bob] = [await newUser('ada'), await newUser('bob')];
    const jobId = await newJob(ada.client);
    const answers = await Promise.all(
      [jobId, '00000000-0000-0000-0000-000000000000', 'x'].map((id) =>
        bob.client.call('GET', `/jobs/${id}/events`),
      ),
    );
    for (const answer of answers)
      expect(answer).toMatchObject({
        status: 404,
        json: { code: 'not_found' },
      });
    const stream = await open(administrator, jobId);
    await begun(stream);
    const anonymous = await clientOf(api.url, undefined).call('GET', `/jobs/${jobId}/events`);
    expect(anonymous.status).toBe(401);
  });

  it.each([
    [
      'user',
      (ada: TestUser) =>
        administrator.call('PATCH', `/admin/users/${ada.id}`, { json: { state: 'inactive' } }),
    ],
    [
      'keypair',
      (ada: TestUser) =>
        administrator.call('PATCH', `/admin/keypairs/${ada.keypair.accessKey}`, {
          json: { state: 'inactive' },
        }),
    ],
  ])('are cut when the %s is switched off', async (_what, switchOff) => {
    const ada = await newUser('ada');
    const jobId = await newJob(ada.client);
    const [own, watched] = [await open(ada.client, jobId), await open(administrator, jobId)];
    await Promise.all([begun(own), begun(watched)]);
    expect((await switchOff(ada)).status).toBeLessThan(300);
    expect(await own.ended).toBe(false);
    expect(statesOf(watched)).toEqual(['progress queued']);
    watched.close();
  });

  it('end with a token that is revoked', async () => {
    const ada = await newUser('ada');
    const made = await ada.client.call('POST', '/tokens', { json: { name: 'watch', scopes: ['read'] } });
    expect(made.status).toBe(201);
    const jobId = await newJob(ada.client);
    const stream = await openEvents(clientOf(api.url, undefined), `/jobs/${jobId}/events`, {
      authorization: `Bearer ${textAt(made.json, 'token')}`,
    });
    streams.push(stream);
    await begun(stream);
    const revoked = await ada.client.call('DELETE', `/tokens/${textAt(made.json, 'id')}`);
    expect(revoked.status).toBe(204);
    expect(await stream.ended).toBe(false);
  });

  it('are bounded per user, hold no connection to the database, and give a place back when they end', async () => {
    const users = [await newUser('ada'), await newUser('bob')];
    // More streams than an API has connections.
    for (const user of users) {
      const jobId = await newJob(user.client);
      const opened = await Promise.all(Array.from({ length: streamsMax }, () => open(user.client, jobId)));
      await Promise.all(opened.map(begun));
      const refused = await user.client.call('GET', `/jobs/${jobId}/events`);
      expect(refused).toMatchObject({ status: 429, json: { code: 'requests_busy', limit: streamsMax } });
      expect(refused.headers['retry-after']).toBe('1');
      expect((await user.client.call('GET', `/jobs/${jobId}`)).status).toBe(200);
      opened[0]?.close();
      await eventually(async () => expect((await open(user.client, jobId)).status).toBe(200));
    }
  });

  it('end in order when their process stops, before it would be cut', async () => {
    const stopping = await startApi(ground);
    const jobId = await newJob(administrator);
    const stream = await open(clientOf(stopping.url, ground.admin), jobId);
    await begun(stream);
    const [code, isOrderly] = await Promise.all([stopping.process.stop(), stream.ended]);
    expect([code, isOrderly]).toEqual([0, true]);
  });
});
