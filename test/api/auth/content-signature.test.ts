import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Route } from '../../../api/route.ts';
import { forgetPast } from '../../../worker/forget-past.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  basic,
  type Call,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  signed,
  startCoreServer,
  type TestKeypair,
} from '../core-server.ts';
import { defineTestRoute } from '../test-route.ts';

const secrets = makeSecretBox();
const effects: unknown[] = [];
const common = { access: 'user', right: null, input: z.object({}).loose() } as const;
const routes: readonly Route[] = [
  ...(['GET', 'POST'] as const).map((method) =>
    defineTestRoute({
      ...common,
      method,
      path: '/things',
      body: 'json',
      handle: async ({ input }) => {
        effects.push(input);
        return { status: 200 };
      },
    }),
  ),
  defineTestRoute({
    ...common,
    method: 'POST',
    path: '/stream',
    body: 'stream',
    handle: async ({ incoming, verifyBody }) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
      await verifyBody();
      effects.push(Buffer.concat(chunks).toString());
      return { status: 200 };
    },
  }),
  // It looks at nothing of its body, as an upload that asks for its end, or one that is only begun.
  defineTestRoute({
    ...common,
    method: 'POST',
    path: '/unread',
    body: 'stream',
    handle: async () => {
      effects.push('unread');
      return { status: 200 };
    },
  }),
  defineTestRoute({
    method: 'PATCH',
    path: '/by-token',
    access: 'public',
    right: null,
    input: z.object({}),
    body: 'stream',
    isTransfer: true,
    handle: async ({ incoming, verifyBody }) => {
      incoming.resume();
      await verifyBody();
      effects.push('by token');
      return { status: 200 };
    },
  }),
];
let database: TestDatabase;
let servers: readonly CoreServer[];
let keypair: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  keypair = await makeKeypair(database, secrets);
  servers = [
    await startCoreServer(database, { secrets, routes }),
    await startCoreServer(database, { secrets, routes }),
  ];
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await database?.close();
});

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A call whose content is signed; `changes` are made to what is signed. The host is that of the first server. */
function withContent(
  call: Call,
  changes: Parameters<typeof signed>[3] = {},
): Call & { headers: Record<string, string> } {
  const contentSha256 = changes.contentSha256 ?? digestOf(String(call.body ?? ''));
  const host = servers[0]?.host ?? '';
  const headers = signed({ host }, keypair, call, { ...changes, contentSha256 });
  return { ...call, headers: { ...headers, host, 'x-vfolder-content-sha256': contentSha256 } };
}

const send = (call: Call, index = 0) => {
  const server = servers[index];
  if (server === undefined) throw new Error('There is no such server.');
  return server.send(call);
};
const post = { method: 'POST', path: '/things', body: '{"a":1}' };

describe('a signature that covers the content', () => {
  it('is accepted, with and without a body, whatever the version says about bodies', async () => {
    effects.length = 0;
    expect((await send(withContent(post))).status).toBe(200);
    expect(
      (await send(withContent({ ...post, body: '{"b":2}' }, { version: '', bodyHash: digestOf('{"b":2}') })))
        .status,
    ).toBe(200);
    expect((await send(withContent({ path: '/things' }))).status).toBe(200);
    const stream = { method: 'POST', path: '/stream', body: 'x'.repeat(300_000) };
    expect((await send(withContent(stream, { contentType: 'text/plain' }))).status).toBe(200);
    expect(effects).toEqual([{ a: 1 }, { b: 2 }, {}, stream.body]);
  });

  it('is refused with another body, and nothing takes effect', async () => {
    effects.length = 0;
    for (const path of ['/things', '/stream']) {
      const call = withContent({ ...post, path });
      const answer = await send({ ...call, body: '{"a":2}' });
      expect([answer.status, answer.json.code]).toEqual([400, 'digest_mismatch']);
    }
    expect(effects).toEqual([]);
  });

  it('is refused where the body it covers never came', async () => {
    effects.length = 0;
    for (const path of ['/things', '/stream', '/unread']) {
      const { body: _, ...call } = withContent({ ...post, path });
      const answer = await send(call);
      expect([path, answer.status, answer.json.code]).toEqual([path, 400, 'digest_mismatch']);
    }
    expect(effects).toEqual([]);
    const nothing = withContent({ method: 'POST', path: '/unread' }, { contentSha256: digestOf('') });
    expect((await send(nothing)).status).toBe(200);
    expect(effects).toEqual(['unread']);
  });

  it('is refused with a header that is not what was signed, or none', async () => {
    const call = withContent(post);
    const other = { ...call.headers, 'x-vfolder-content-sha256': digestOf('{"a":2}') };
    expect((await send({ ...call, body: '{"a":2}', headers: other })).status).toBe(401);
    const { 'x-vfolder-content-sha256': _, ...without } = call.headers;
    expect((await send({ ...call, headers: without })).status).toBe(401);
    const shouting = { ...call.headers, 'x-vfolder-content-sha256': digestOf(post.body).toUpperCase() };
    expect((await send({ ...call, headers: shouting })).json.code).toBe('auth_invalid');
  });

  it('holds for 5 minutes to either side', async () => {
    const at = (minutes: number) =>
      withContent(post, { date: new Date(Date.now() + minutes * 60_000).toISOString() });
    for (const minutes of [-4.9, 4.9]) expect((await send(at(minutes))).status).toBe(200);
    for (const minutes of [-5.1, 5.1, -14, 14]) {
      expect((await send(at(minutes))).json.code, String(minutes)).toBe('auth_invalid');
    }
  });

  it('stands for one change, whichever process gets it', async () => {
    effects.length = 0;
    const call = withContent({ ...post, body: '{"once":1}' });
    const answers = await Promise.all([0, 1, 0, 1, 0, 1].map((index) => send(call, index)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.json.code).toBe('request_replayed');
    expect(effects).toEqual([{ once: 1 }]);
    const read = withContent({ path: '/things' });
    expect((await send(read)).status).toBe(200);
    expect((await send(read)).status).toBe(200);
  });

  it('is remembered until its date is refused anyway', async () => {
    const call = withContent({ ...post, body: '{"kept":1}' });
    expect((await send(call)).status).toBe(200);
    await database.db.execute(sql`UPDATE seen_signatures SET seen_at = now() - interval '9 minutes'`);
    await forgetPast({ db: database.db });
    expect((await send(call)).status).toBe(409);
    await database.db.execute(sql`UPDATE seen_signatures SET seen_at = now() - interval '11 minutes'`);
    await forgetPast({ db: database.db });
    const rows = await database.db.execute(sql`SELECT 1 FROM seen_signatures`);
    expect(rows).toHaveLength(0);
  });

  it('is not needed for the digest to be checked where a token is the proof', async () => {
    effects.length = 0;
    const transfer = (digest: string) =>
      send({
        method: 'PATCH',
        path: '/by-token',
        body: 'bytes',
        headers: { 'x-vfolder-content-sha256': digest, 'content-type': 'text/plain' },
      });
    expect((await transfer(digestOf('other'))).json.code).toBe('digest_mismatch');
    expect((await transfer('none')).json.code).toBe('request_malformed');
    expect(effects).toEqual([]);
    expect((await transfer(digestOf('bytes'))).status).toBe(200);
    expect(effects).toEqual(['by token']);
  });

  it('is not needed for the digest to be checked', async () => {
    const headers = { ...basic(keypair), 'content-type': 'application/json' };
    const digest = { 'x-vfolder-content-sha256': digestOf(post.body) };
    expect((await send({ ...post, headers: { ...headers, ...digest } })).status).toBe(200);
    const wrong = await send({ ...post, body: '{}', headers: { ...headers, ...digest } });
    expect(wrong.json.code).toBe('digest_mismatch');
  });
});
