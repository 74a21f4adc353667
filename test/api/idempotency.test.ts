import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Route } from '../../api/route.ts';
import { folders } from '../../db/schema/folders.ts';
import { idempotencyKeys } from '../../db/schema/idempotency-keys.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { uploads } from '../../db/schema/uploads.ts';
import { domainError } from '../../domain/errors.ts';
import { forgetPast } from '../../worker/forget-past.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { basic, type CoreServer, makeKeypair, makeSecretBox, startCoreServer } from './core-server.ts';
import { defineTestRoute } from './test-route.ts';
import { startUploadService, type UploadService } from './uploads/upload-service.ts';

const secrets = makeSecretBox();
const effects: unknown[] = [];
let outcome: () => Promise<{ status: number; body?: unknown; headers?: Record<string, string> }>;
const usual = async () => ({
  status: 201,
  body: { secret: 'x', count: effects.length },
  headers: { Location: '/x' },
});
const routes: readonly Route[] = (['POST', 'DELETE', 'GET', 'PUT'] as const).map((method) =>
  defineTestRoute({
    method,
    path: '/things',
    access: 'user',
    right: null,
    body: method === 'PUT' ? 'stream' : 'json',
    input: z.object({ a: z.number().optional() }),
    handle: async ({ input }) => {
      effects.push(input);
      return await outcome();
    },
  }),
);
const question = defineTestRoute({
  method: 'POST',
  path: '/questions',
  access: 'user',
  right: null,
  body: 'json',
  isQuery: true,
  input: z.object({}),
  handle: () => usual(),
});
let database: TestDatabase;
let servers: readonly CoreServer[];
let headers: Record<string, string>;

beforeAll(async () => {
  database = await createTestDatabase();
  servers = [
    await startCoreServer(database, { secrets, routes: [...routes, question] }),
    await startCoreServer(database, { secrets, routes }),
  ];
  headers = basic(await makeKeypair(database, secrets));
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await database?.close();
});
beforeEach(() => {
  effects.length = 0;
  outcome = usual;
});

async function call(
  key: string,
  changes: { method?: string; body?: string; by?: Record<string, string> } = {},
  index = 0,
) {
  const { method = 'POST', body = '{"a":1}', by = headers } = changes;
  const server = servers[index];
  if (server === undefined) throw new Error('There is no such server.');
  return await server.send({ method, path: '/things', body, headers: { ...by, 'idempotency-key': key } });
}

describe('an idempotency key', () => {
  it('gets the same reply from any process, and the change is made once', async () => {
    const first = await call('k1');
    const second = await call('k1', {}, 1);
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([201, undefined]);
    expect([second.status, second.headers['idempotency-replayed']]).toEqual([201, 'true']);
    expect([second.text, second.headers.location]).toEqual([first.text, '/x']);
    expect(second.headers['content-type']).toBe(first.headers['content-type']);
    expect(effects).toHaveLength(1);
  });

  it('names nothing where nothing is changed, so that no answer is kept', async () => {
    const own = { ...headers, 'idempotency-key': 'q1' };
    const ask = () => servers[0]?.send({ method: 'POST', path: '/questions', body: '{}', headers: own });
    for (const answer of [await ask(), await ask()]) {
      expect([answer?.status, answer?.headers['idempotency-replayed']]).toEqual([201, undefined]);
    }
    const kept = await database.db.select().from(idempotencyKeys).where(eq(idempotencyKeys.key, 'q1'));
    expect(kept).toEqual([]);
  });

  it('is for one request: another body or method gets 422', async () => {
    await call('k2');
    for (const changes of [{ body: '{"a":2}' }, { method: 'DELETE' }]) {
      const answer = await call('k2', changes);
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect(effects).toHaveLength(1);
  });

  it('is for one request: a streamed one whose head asks for something else gets 422', async () => {
    const put = (told: Record<string, string>, body = 'abc') =>
      call('k2s', { method: 'PUT', body, by: { ...headers, ...told } });
    const asked = { 'upload-metadata': 'path YQ==', 'upload-length': '5' };
    expect((await put(asked)).status).toBe(201);
    expect((await put(asked)).headers['idempotency-replayed']).toBe('true');
    for (const other of [
      { 'upload-metadata': 'path Yg==' },
      { 'upload-length': '6' },
      { 'if-match': '"x"' },
    ]) {
      expect((await put({ ...asked, ...other })).json.code).toBe('idempotency_key_reused');
    }
    expect((await put(asked, 'abcd')).json.code).toBe('idempotency_key_reused');
    expect(effects).toHaveLength(1);
  });

  it('is one user’s own, and means nothing for reads', async () => {
    const by = basic(await makeKeypair(database, secrets));
    await call('k3');
    expect((await call('k3', { by })).headers['idempotency-replayed']).toBeUndefined();
    await call('k3', { method: 'GET' });
    await call('k3', { method: 'GET' });
    expect(effects).toHaveLength(4);
  });

  it('answers 409 while the first request runs, and its reply afterwards', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    outcome = async () => {
      await held;
      return await usual();
    };
    const first = call('k4');
    await eventually(() => expect(effects).toHaveLength(1));
    const answers = await Promise.all([0, 1, 0, 1].map((index) => call('k4', {}, index)));
    for (const answer of answers) {
      expect([answer.status, answer.json.code]).toEqual([409, 'idempotency_in_flight']);
      expect(answer.headers['retry-after']).toBe('1');
    }
    release();
    expect((await first).status).toBe(201);
    expect((await call('k4')).headers['idempotency-replayed']).toBe('true');
    expect(effects).toHaveLength(1);
  });

  it('is free again after a refusal', async () => {
    outcome = () => Promise.reject(domainError('path_busy', 'Busy.'));
    expect((await call('k5')).status).toBe(409);
    outcome = usual;
    expect((await call('k5')).status).toBe(201);
    expect((await call('k5')).headers['idempotency-replayed']).toBe('true');
    expect(effects).toHaveLength(2);
  });

  it('is run again when its process died without a trace, and not before', async () => {
    await call('k6');
    const row = eq(idempotencyKeys.key, 'k6');
    await database.db
      .update(idempotencyKeys)
      .set({ status: null, leaseUntil: sql`now() + interval '1 minute'` })
      .where(row);
    expect((await call('k6')).status).toBe(409);
    await database.db.update(idempotencyKeys).set({ leaseUntil: sql`now()` }).where(row);
    const answers = await Promise.all([call('k6'), call('k6', {}, 1)]);
    expect(
      answers.filter(({ status, headers: { 'idempotency-replayed': again } }) => status === 201 && !again),
    ).toHaveLength(1);
    expect(effects).toHaveLength(2);
  });

  it('keeps no reply in clear, and none for longer than a day', async () => {
    await call('k7');
    const row = eq(idempotencyKeys.key, 'k7');
    const [kept] = await database.db.select().from(idempotencyKeys).where(row);
    expect(kept?.bodySealed?.toString('latin1')).not.toContain('secret');
    await database.db.update(idempotencyKeys).set({ createdAt: sql`now() - interval '25 hours'` }).where(row);
    expect((await call('k7', { body: '{"a":9}' })).headers['idempotency-replayed']).toBeUndefined();
    await database.db.update(idempotencyKeys).set({ createdAt: sql`now() - interval '25 hours'` }).where(row);
    await forgetPast({ db: database.db });
    expect(await database.db.select().from(idempotencyKeys).where(row)).toEqual([]);
  });

  it.each(['', ' ', 'a b', 'a\u00e4', 'x'.repeat(256)])('is refused when it is none: "%s"', async (key) => {
    const answer = await call(key);
    expect([answer.status, answer.json.code]).toEqual([400, 'request_malformed']);
  });
});

describe('an upload under an idempotency key', () => {
  let service: UploadService;
  beforeAll(async () => {
    service = await startUploadService();
  });
  afterAll(() => service.close());
  const body = `--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nhello\r\n--b--\r\n`;

  async function expectOneUpload(folderId: string): Promise<void> {
    const { db } = service.services;
    expect(await db.select().from(uploads).where(eq(uploads.folderId, folderId))).toHaveLength(1);
    expect(await db.select().from(jobs).where(eq(jobs.folderId, folderId))).toHaveLength(1);
    const [row] = await db.select().from(folders).where(eq(folders.id, folderId));
    expect(row).toMatchObject({ reservedBytes: 5, reservedFiles: 1 });
  }

  it('is stored and charged once, and its repetition is answered without reading the body', async () => {
    const folder = await service.makeFolder({});
    const first = await service.post(folder.name, body, { 'Idempotency-Key': 'u1' });
    const second = await service.post(folder.name, body, { 'Idempotency-Key': 'u1' });
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    const longer = await service.post(folder.name, `${body} `, { 'Idempotency-Key': 'u1' });
    expect(longer.status).toBe(422);
    await expectOneUpload(folder.id);
  });

  it('is answered from its job when the process died between the two', async () => {
    const folder = await service.makeFolder({});
    const first = await service.post(folder.name, body, { 'Idempotency-Key': 'u2' });
    const { db } = service.services;
    await db
      .update(idempotencyKeys)
      .set({ status: null, bodySealed: null, leaseUntil: sql`now()` })
      .where(eq(idempotencyKeys.key, 'u2'));
    const again = await service.post(folder.name, body, { 'Idempotency-Key': 'u2' });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    await expectOneUpload(folder.id);
  });

  it('that lost its key to another request commits nothing', async () => {
    const folder = await service.makeFolder({});
    const { db } = service.services;
    // The key is taken over while the body arrives, as after a long pause of the process.
    const late = new ReadableStream({
      start: async (controller) => {
        controller.enqueue(new TextEncoder().encode(body.slice(0, 60)));
        await eventually(async () => {
          const rows = await db
            .update(idempotencyKeys)
            .set({ owner: sql`gen_random_uuid()` })
            .where(eq(idempotencyKeys.key, 'u3'))
            .returning();
          expect(rows).toHaveLength(1);
        });
        controller.enqueue(new TextEncoder().encode(body.slice(60)));
        controller.close();
      },
    });
    const answer = await service.post(folder.name, late, { 'Idempotency-Key': 'u3' });
    expect(answer.status).toBe(409);
    expect(await db.select().from(jobs).where(eq(jobs.folderId, folder.id))).toEqual([]);
    expect(await service.volume.listStages(folder.id)).toEqual([]);
  });
});
