import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLinkPasswords } from '../../../api/links/passwords.ts';
import { routes } from '../../../api/routes.ts';
import { createServer } from '../../../api/server.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import { linksMax } from '../../../domain/link.ts';
import { type Caller, startTestService, type TestService } from '../folders/test-service.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
let service: TestService;
let ada: Caller;

beforeAll(async () => {
  service = await startTestService(routes);
});
afterAll(() => service?.close());
beforeEach(async () => {
  ada = await service.signUp();
  await ada.call('POST', '/folders', { body: { name: 'data' } });
});

const ask = (body: object = {}) =>
  ada.call('POST', '/links', { body: { folder: 'data', expires_in: 600, ...body } });

describe('links of one user', () => {
  it('are refused to who has as many as there may be, until one expires', async () => {
    expect((await ask()).status).toBe(201);
    await service.services.db.execute(sql`
      INSERT INTO links (id, digest, kind, folder_id, path, user_id, expires_at)
      SELECT gen_random_uuid(), ${ada.userId} || n, 'download', folder_id, '', user_id, now() + interval '1 hour'
      FROM members, generate_series(2, ${linksMax}::int) n WHERE user_id = ${ada.userId}`);
    const refused = await ask();
    expect([refused.status, refused.json]).toEqual([
      409,
      expect.objectContaining({ code: 'link_limit_reached', limit: linksMax }),
    ]);
    await service.services.db.execute(sql`
      UPDATE links SET expires_at = now() WHERE user_id = ${ada.userId} AND digest = ${`${ada.userId}2`}`);
    expect((await ask()).status).toBe(201);
  });

  it('are kept without what they are opened by', async () => {
    const made = await ask({ password: 'correct horse' });
    const token = String(Reflect.get(Object(made.json), 'token'));
    const rows = await service.services.db.execute(sql`SELECT * FROM links WHERE user_id = ${ada.userId}`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`correct|horse|${token.slice(7)}`));
  });
});

describe('an installation without links', () => {
  it('makes none, and those there are lead nowhere', async () => {
    const made = Object((await ask()).json);
    const services = { ...service.services, linkDays: 0 };
    const server = createServer({ services, routes, logger: silent });
    const base = `http://127.0.0.1:${await server.listen({ port: 0, host: '127.0.0.1' })}`;
    try {
      expect(
        (await fetch(`${base}/l/${made.token}`, { headers: { Accept: 'application/json' } })).status,
      ).toBe(404);
      const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
      await insertKeypair(services.db, {
        accessKey,
        userId: ada.userId,
        secretSealed: services.secrets.seal('secret'),
      });
      const authorization = `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}`;
      const headers = { authorization, 'content-type': 'application/json' };
      const body = JSON.stringify({ folder: 'data', expires_in: 600 });
      const refused = await fetch(`${base}/links`, { method: 'POST', headers, body });
      expect([refused.status, await refused.json()]).toEqual([
        403,
        expect.objectContaining({ code: 'links_off' }),
      ]);
      expect((await fetch(`${base}/links/${made.id}`, { headers: { authorization } })).status).toBe(200);
    } finally {
      await server.close(1_000);
    }
  });
});

describe('passwords of links', () => {
  it('are salted, and let nobody pass with what is kept of them', async () => {
    const passwords = openLinkPasswords();
    const [one, two] = await Promise.all([passwords.hash('correct horse'), passwords.hash('correct horse')]);
    expect(one).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(two);
    const { id } = Object((await ask({ password: 'correct horse' })).json);
    const pass = (given: string | undefined) =>
      passwords.require(service.services, { id, passwordHash: one }, given);
    await expect(pass('correct horse')).resolves.toBeUndefined();
    for (const wrong of [undefined, '', one, 'correct horse\0', 'CORRECT HORSE'])
      await expect(pass(wrong)).rejects.toMatchObject({ code: 'link_password_required' });
  });

  it('are looked at few at a time; more than can wait are turned away', async () => {
    const passwords = openLinkPasswords({ parallelMax: 2, waitingMax: 2 });
    const asked = Array.from({ length: 7 }, () => passwords.hash('correct horse'));
    const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const end of refused) expect(end).toMatchObject({ reason: { code: 'requests_busy' } });
    await expect(passwords.hash('correct horse')).resolves.toMatch(/^scrypt/);
  });
});
