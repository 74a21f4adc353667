import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLinkBounds } from '../../../api/links/bounds.ts';
import { openLinkPasswords } from '../../../api/links/passwords.ts';
import { linkRoutes } from '../../../api/links/routes.ts';
import { routes } from '../../../api/routes.ts';
import { linksMax } from '../../../domain/link.ts';
import { eventually } from '../../support/eventually.ts';
import { type Caller, startTestService, type TestService } from '../folders/test-service.ts';
import { startLinkServer } from './link-server.ts';

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

  it('are refused to them before anybody works for the password', async () => {
    const nobody = openLinkPasswords({ parallelMax: 1, waitingMax: { making: 0, using: 0 }, ofOneMax: 0 });
    const bounds = { ...openLinkBounds(), passwords: nobody };
    const server = await startLinkServer(service.services, { routes: linkRoutes(bounds) });
    try {
      const by = await server.signUp(ada.userId);
      const body = { folder: 'data', expires_in: 600, password: 'correct horse' };
      expect(await server.post('/links', { by, body })).toMatchObject({ code: 'requests_busy' });
      await service.services.db.execute(sql`
        INSERT INTO links (id, digest, kind, folder_id, path, user_id, expires_at)
        SELECT gen_random_uuid(), ${ada.userId} || n, 'download', folder_id, '', user_id, now() + interval '1 hour'
        FROM members, generate_series(1, ${linksMax}::int) n WHERE user_id = ${ada.userId}`);
      expect(await server.post('/links', { by, body })).toMatchObject({ code: 'link_limit_reached' });
    } finally {
      await server.close();
    }
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
    const server = await startLinkServer({ ...service.services, linkDays: 0 }, {});
    try {
      expect((await server.get(`/l/${made.token}`)).status).toBe(404);
      const by = await server.signUp(ada.userId);
      const body = { folder: 'data', expires_in: 600 };
      expect(await server.post('/links', { by, body })).toMatchObject({ status: 403, code: 'links_off' });
      expect((await server.get(`/links/${made.id}`, by)).status).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('a link with a password', () => {
  it('asks for it only where nobody can read it on its way, unless that is allowed', async () => {
    const { token } = Object((await ask({ password: 'correct horse' })).json);
    const open = await ask();
    const password = { authorization: `Basic ${Buffer.from(':correct horse').toString('base64')}` };
    const plain = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' };
    const secure = { ...plain, 'x-forwarded-proto': 'https' };
    const trustedProxies = ['127.0.0.1'];
    const strict = await startLinkServer(service.services, { trustedProxies });
    const lax = await startLinkServer(service.services, { trustedProxies, allowPlainSecrets: true });
    try {
      for (const headers of [plain, { ...plain, ...password }]) {
        const refused = await strict.get(`/l/${token}`, headers);
        expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([400, null]);
        expect(await refused.json()).toMatchObject({ code: 'auth_invalid' });
      }
      expect((await strict.get(`/l/${token}`, { ...secure, ...password })).status).toBe(200);
      expect((await strict.get(`/l/${Object(open.json).token}`, plain)).status).toBe(200);
      expect((await lax.get(`/l/${token}`, plain)).status).toBe(401);
      expect((await lax.get(`/l/${token}`, { ...plain, ...password })).status).toBe(200);
    } finally {
      await strict.close();
      await lax.close();
    }
  });
});

describe('a request by a link', () => {
  it('is found by the id of the link in the log, and names its token in no problem', async () => {
    const { id, token } = Object((await ask()).json);
    const logged: Readonly<Record<string, unknown>>[] = [];
    const logger = {
      ...silent,
      info: (fields: Readonly<Record<string, unknown>>) => void logged.push(fields),
    };
    const server = await startLinkServer(service.services, { logger });
    try {
      const texts: string[] = [];
      for (const path of [`/l/${token}`, `/l/${token}/missing`, `/%6C/${token}/missing`]) {
        texts.push(await (await server.get(path)).text());
      }
      const refused = await fetch(`${server.base}/l/${token}`, { method: 'DELETE' });
      texts.push(await refused.text());
      expect(refused.status).toBe(405);
      expect(texts.slice(1).map((text) => JSON.parse(text).instance)).toEqual([
        '/l/:token/missing',
        '/l/:token/missing',
        '/l/:token',
      ]);
      expect(texts.join()).not.toContain(token);
      await eventually(() => expect(logged).toHaveLength(4));
      expect(logged.map(({ link_id: linkId }) => linkId)).toEqual([id, id, id, undefined]);
      expect(JSON.stringify(logged)).not.toContain(token);
    } finally {
      await server.close();
    }
  });
});

describe('passwords of links', () => {
  it('are salted, and let nobody pass with what is kept of them', async () => {
    const passwords = openLinkPasswords();
    const [one, two] = await Promise.all([
      passwords.hash('correct horse', ada.userId),
      passwords.hash('correct horse', ada.userId),
    ]);
    expect(one).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toBe(two);
    const { id } = Object((await ask({ password: 'correct horse' })).json);
    const pass = (given: string | undefined) =>
      passwords.require(service.services, { id, passwordHash: one }, given);
    await expect(pass('correct horse')).resolves.toBeUndefined();
    for (const wrong of [undefined, '', one, 'correct horse\0', 'CORRECT HORSE'])
      await expect(pass(wrong)).rejects.toMatchObject({ code: 'link_password_required' });
  });
});
