import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import type { Answer } from '../support/http-client.ts';
import { createUser, upload } from '../support/users.ts';
import { makeLink, withPassword } from './make-link.ts';
import { expectProblem, expectStatus } from './rules.ts';
import type { FolderOfAda, Stage } from './stage.ts';

async function inDatabase(stage: Stage, change: (sql: ReturnType<typeof openSql>) => Promise<unknown>) {
  const sql = openSql(stage.service.databaseUrl);
  try {
    await change(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const usesOf = async (own: FolderOfAda, id: string) =>
  Reflect.get(Object((await own.ada.call('GET', `/links/${id}`)).json), 'uses');

const count = (answers: readonly Answer[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

function describeUses(stage: Stage, own: FolderOfAda): void {
  const bearer = () => stage.service.client();

  it('lets exactly as many downloads begin as it may, however many come at once', async () => {
    await upload(own.ada, own.folder, { a: 'content', 'd/b': 'other' });
    for (const [path, below] of [
      ['a', ''],
      ['', '/d/b'],
      ['d', ''],
    ] as const) {
      const link = await makeLink(own, { path, max_uses: 3 });
      const client = bearer();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => client.call('GET', `${link.path}${below}`)),
      );
      expect([count(answers, 200), count(answers, 404)], path).toEqual([3, 17]);
      expect((await own.ada.call('GET', `/links/${link.id}`)).json).toMatchObject({
        uses: 3,
        state: 'used_up',
      });
      client.close();
    }
  });

  it('lets exactly as many uploads begin as it may, and gives back those that are refused', async () => {
    const link = await makeLink(own, { kind: 'upload', max_uses: 3 });
    const client = bearer();
    expectProblem(await client.call('POST', link.path, { parts: [] }), 400, 'upload_empty');
    expect(await usesOf(own, link.id)).toBe(0);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => client.call('PUT', `${link.path}/f${index}`, { body: 'x' })),
    );
    expect([count(answers, 201), count(answers, 404)]).toEqual([3, 17]);
    expect(await usesOf(own, link.id)).toBe(3);
    client.close();
  });

  it('counts no head, no listing, and nothing that was not changed', async () => {
    await upload(own.ada, own.folder, { a: 'content' });
    const link = await makeLink(own, { max_uses: 1 });
    expectStatus(await bearer().call('HEAD', link.path), 200);
    const head = await bearer().call('HEAD', `${link.path}/a`);
    expectStatus(await bearer().call('GET', link.path, { headers: { Accept: 'application/json' } }), 200);
    const same = { headers: { 'If-None-Match': String(head.headers.etag) } };
    expectStatus(await bearer().call('GET', `${link.path}/a`, same), 304);
    const beyond = { headers: { Range: 'bytes=99-' } };
    expectStatus(await bearer().call('GET', `${link.path}/a`, beyond), 416);
    expect(await usesOf(own, link.id)).toBe(0);
    expectStatus(await bearer().call('GET', `${link.path}/a`), 200);
    expectProblem(await bearer().call('GET', `${link.path}/missing`), 404, 'entry_not_found');
  });

  it('lets who began a download go on with it, part by part, though it is used up', async () => {
    const content = randomBytes(300_000);
    await upload(own.ada, own.folder, { a: content, b: 'other' });
    const link = await makeLink(own, { max_uses: 1 });
    const read = (path: string, range?: string) =>
      bearer().call('GET', `${link.path}/${path}`, range === undefined ? {} : { headers: { Range: range } });
    const parts = await Promise.all([
      read('a', 'bytes=200000-'),
      read('a', 'bytes=0-99999'),
      read('a', 'bytes=100000-199999'),
    ]);
    expect(parts.map(({ status }) => status)).toEqual([206, 206, 206]);
    const [last, first, middle] = parts.map(({ bytes }) => bytes);
    expect(
      Buffer.concat([first, middle, last].map((bytes) => bytes ?? Buffer.alloc(0))).equals(content),
    ).toBe(true);
    expect(await usesOf(own, link.id)).toBe(1);
    expectStatus(await bearer().call('HEAD', `${link.path}/a`), 200);
    expectStatus(await read('a', 'bytes=5-6'), 206);
    for (const whole of [await read('a'), await read('a', 'bytes=0-'), await read('b', 'bytes=0-1')]) {
      expectProblem(whole, 404, 'not_found');
    }
    expect(await usesOf(own, link.id)).toBe(1);
    await inDatabase(
      stage,
      (sql) => sql`
      UPDATE link_readers SET began_at = now() - interval '25 hours' WHERE link_id = ${link.id}`,
    );
    expectProblem(await read('a', 'bytes=5-6'), 404, 'not_found');
  });

  it('counts a download that goes on elsewhere as another', async () => {
    await upload(own.ada, own.folder, { a: 'content' });
    const link = await makeLink(own, { path: 'a', max_uses: 1 });
    expectStatus(await bearer().call('GET', link.path), 200);
    await inDatabase(
      stage,
      (sql) => sql`UPDATE link_readers SET reader = 'other' WHERE link_id = ${link.id}`,
    );
    expectProblem(
      await bearer().call('GET', link.path, { headers: { Range: 'bytes=1-' } }),
      404,
      'not_found',
    );
  });
}

function describePasswords(stage: Stage, own: FolderOfAda): void {
  const password = 'pässwörd ☃ 1';
  const bearer = () => stage.service.client();

  it('asks for the password of a link, and for nothing else', async () => {
    await upload(own.ada, own.folder, { a: 'content' });
    const { path, id } = await makeLink(own, { path: 'a', password });
    const refused = await bearer().call('GET', path);
    expectProblem(refused, 401, 'link_password_required');
    // Each has a realm of its own: browsers send what they were told for one to whoever names the same.
    const challenge = `Basic realm="link ${id.slice(-12)}", charset="UTF-8"`;
    expect(refused.headers['www-authenticate']).toBe(challenge);
    expectStatus(await bearer().call('HEAD', path), 401);
    for (const wrong of ['', 'wrong password', `${password} `, password.toUpperCase()]) {
      expectProblem(await bearer().call('GET', path, withPassword(wrong)), 401, 'link_password_required');
    }
    for (const Authorization of ['Basic', 'Basic !', `Bearer ${password.length}`, 'Basic ====']) {
      expectProblem(
        await bearer().call('GET', path, { headers: { Authorization } }),
        401,
        'link_password_required',
      );
    }
    for (const right of [password, password.normalize('NFD')]) {
      expect((await bearer().call('GET', path, withPassword(right))).text).toBe('content');
    }
    const named = Buffer.from(`anybody:${password}`).toString('base64');
    expectStatus(await bearer().call('GET', path, { headers: { Authorization: `Basic ${named}` } }), 200);
  });

  it('asks for it before a body, too', async () => {
    const { path } = await makeLink(own, { kind: 'upload', password });
    expectProblem(await bearer().call('PUT', `${path}/a`, { body: 'x' }), 401, 'link_password_required');
    expectStatus(await bearer().call('PUT', `${path}/a`, { body: 'x', ...withPassword(password) }), 201);
  });

  it('lets a bounded number of guesses be looked at, however many come at once', async () => {
    await upload(own.ada, own.folder, { a: 'content' });
    const { path, id } = await makeLink(own, { path: 'a', password });
    const client = bearer();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        client.call('GET', path, withPassword(`wrong guess ${index}`)),
      ),
    );
    client.close();
    expect(count(answers, 401) + count(answers, 429)).toBe(30);
    let looks = count(answers, 401);
    // Who found no place to wait in has lost no guess.
    for (let tries = 0; tries < 25 && looks < 20; tries += 1) {
      const next = await bearer().call('GET', path, withPassword(`another guess ${tries}`));
      looks += count([next], 401);
    }
    expect(looks).toBe(20);
    const right = await bearer().call('GET', path, withPassword(password));
    expectProblem(right, 429, 'rate_limited');
    expect(Number(right.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(right.headers['retry-after'])).toBeLessThanOrEqual(900);
    await inDatabase(
      stage,
      (sql) => sql`
      UPDATE links SET guesses_since = now() - interval '16 minutes' WHERE id = ${id}`,
    );
    expectStatus(await bearer().call('GET', path, withPassword(password)), 200);
  });
}

/** Bounds of links: until when, how often, for whom; and what one learns who is outside of them. */
export function describeLinkBounds(stage: Stage, own: FolderOfAda): void {
  const bearer = () => stage.service.client();
  describe('by number', () => describeUses(stage, own));
  describe('by password', () => describePasswords(stage, own));

  it('answers the same 404 for every link that leads nowhere, whatever the reason', async () => {
    const owner = await createUser(stage.service, 'owner');
    await upload(own.ada, own.folder, { a: 'content' });
    const [expired, revoked, spent, filled, gone, moved] = [
      await makeLink(own, { path: 'a' }),
      await makeLink(own, { path: 'a' }),
      await makeLink(own, { path: 'a', max_uses: 1, password: 'long enough' }),
      await makeLink(own, { kind: 'upload' }),
      await makeLink(own, { path: 'a' }),
      await makeLink(own),
    ];
    await inDatabase(stage, (sql) => sql`UPDATE links SET expires_at = now() WHERE id = ${expired.id}`);
    await own.ada.call('DELETE', `/links/${revoked.id}`);
    await inDatabase(stage, (sql) => sql`UPDATE links SET uses = 1 WHERE id = ${spent.id}`);
    await inDatabase(stage, (sql) => sql`UPDATE links SET user_id = ${owner.id} WHERE id = ${moved.id}`);
    await own.ada.call('DELETE', own.folder.path('files', 'a'));
    const unknown = gone.path.replace(/.{12}$/, 'AAAAAAAAAAAA');
    const paths = [expired, revoked, spent, filled, gone, moved].map(({ path }) => path);
    const nowhere = [...paths, unknown, '/l/x', '/l/vf_pat_x', `/l/${'x'.repeat(2_000)}`, '/l/%20'];
    const seen = new Set<string>();
    for (const path of nowhere) {
      for (const options of [{}, withPassword('wrong password')]) {
        const answer = await bearer().call('GET', path, options);
        expectProblem(answer, 404, 'not_found');
        const {
          date: _date,
          'x-request-id': _id,
          'x-ratelimit-remaining': _left,
          'content-length': _size,
          ...headers
        } = answer.headers;
        seen.add(JSON.stringify([headers, answer.json]));
      }
    }
    expect([...seen]).toHaveLength(1);
    const { path: readable } = await makeLink(own);
    for (const path of [...nowhere.filter((path) => path !== filled.path), readable]) {
      expectProblem(await bearer().call('PUT', `${path}/a`, { body: 'x' }), 404, 'not_found');
      expectProblem(await bearer().call('POST', path, { parts: [] }), 404, 'not_found');
    }
  });
}
