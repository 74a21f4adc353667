import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdminServer, startAdminServer } from '../admin-server.ts';
import { makeKeypair } from '../core-server.ts';

let stage: AdminServer;
let database: AdminServer['database'];
let secrets: AdminServer['secrets'];
let admin: AdminServer['admin'];
let ask: AdminServer['ask'];

beforeAll(async () => {
  stage = await startAdminServer();
  ({ database, secrets, admin, ask } = stage);
});
afterAll(() => stage.close());

describe('policies', () => {
  it('are made, listed, changed and removed', async () => {
    const made = await ask('POST', '/admin/policies', { name: 'big', folders: 7, folder_bytes: 2 ** 40 });
    expect(made.status).toBe(201);
    expect(made.json).toEqual({
      name: 'big',
      folders: 7,
      folder_bytes: 2 ** 40,
      folder_files: 1_000,
      requests: null,
      volumes: null,
      users: 0,
    });
    const changed = await ask('PATCH', '/admin/policies/big', { folder_files: 5, folders: 0 });
    expect(changed.json).toEqual({ ...made.json, folder_files: 5, folders: 0 });
    const listed = await ask('GET', '/admin/policies');
    expect(listed.json).toEqual({ items: [changed.json, expect.objectContaining({ name: 'default' })] });
    expect((await ask('DELETE', '/admin/policies/big')).status).toBe(204);
    expect((await ask('DELETE', '/admin/policies/big')).status).toBe(404);
  });

  it('hold for the users they are given to, from then on, and stay while anybody has them', async () => {
    const user = await makeKeypair(database, secrets);
    await ask('POST', '/admin/policies', { name: 'tiny', folders: 1, folder_bytes: 10, folder_files: 2 });
    const given = await ask('PATCH', `/admin/users/${user.userId}`, { policy: 'tiny' });
    expect(given.json).toMatchObject({ policy: 'tiny', is_active: true, role: 'user' });
    const { json: me } = await ask('GET', '/me', {}, user);
    expect(me).toMatchObject({ policy: 'tiny', limits: { folders: 1, folder_bytes: 10, folder_files: 2 } });
    const refused = await ask('DELETE', '/admin/policies/tiny');
    expect(refused.json).toMatchObject({ status: 409, code: 'policy_in_use', users: 1 });
    await ask('PATCH', `/admin/users/${user.userId}`, { policy: 'default' });
    expect((await ask('DELETE', '/admin/policies/tiny')).status).toBe(204);
  });

  it('say how many requests a keypair and a token may make, until they say it no more', async () => {
    const user = await makeKeypair(database, secrets);
    const limitOf = async () => (await ask('GET', '/me', {}, user)).headers['x-ratelimit-limit'];
    const usual = await limitOf();
    await ask('POST', '/admin/policies', { name: 'slow', requests: 3 });
    await ask('PATCH', `/admin/users/${user.userId}`, { policy: 'slow' });
    expect(await limitOf()).toBe('3');
    await ask('GET', '/me', {}, user);
    const refused = await ask('GET', '/me', {}, user);
    expect(refused.json).toMatchObject({ status: 429, code: 'rate_limited' });
    await ask('PATCH', '/admin/policies/slow', { requests: null });
    expect(await limitOf()).toBe(usual);
  });

  it('are never removed from under a user who is given them at the same moment', async () => {
    const user = await makeKeypair(database, secrets);
    for (let round = 0; round < 10; round += 1) {
      await ask('POST', '/admin/policies', { name: 'raced' });
      const [given, removed] = await Promise.all([
        ask('PATCH', `/admin/users/${user.userId}`, { policy: 'raced' }),
        ask('DELETE', '/admin/policies/raced'),
      ]);
      expect([`${given.status} ${removed.status}`]).toEqual([expect.stringMatching(/^(200 409|400 204)$/)]);
      await ask('PATCH', `/admin/users/${user.userId}`, { policy: 'default' });
      await ask('DELETE', '/admin/policies/raced');
    }
  });

  it('keep their names, and the default one stays', async () => {
    const twice = await ask('POST', '/admin/policies', { name: 'default' });
    expect(twice.json).toMatchObject({ status: 409, code: 'policy_taken' });
    const removed = await ask('DELETE', '/admin/policies/default');
    expect(removed.json).toMatchObject({ status: 409, code: 'policy_in_use' });
  });

  it.each([
    {},
    { name: '' },
    { name: 'a b' },
    { name: '.x' },
    { name: 'x'.repeat(65) },
    { name: 'a', folders: -1 },
    { name: 'a', folders: 1.5 },
    { name: 'a', folder_bytes: 10 ** 15 },
    { name: 'a', folder_files: null },
    { name: 'a', requests: 0 },
    { name: 'a', volumes: [] },
    { name: 'a', volumes: ['elsewhere'] },
  ])('are not made of %j', async (body) => {
    expect((await ask('POST', '/admin/policies', body)).json).toMatchObject({ code: 'request_malformed' });
  });

  it('are not changed by nothing, and not found under any other name', async () => {
    expect((await ask('PATCH', '/admin/policies/default', {})).status).toBe(400);
    for (const name of ['none', '%20', 'DEFAULT']) {
      expect((await ask('PATCH', `/admin/policies/${name}`, { folders: 1 })).status).toBe(404);
      expect((await ask('DELETE', `/admin/policies/${name}`)).status).toBe(404);
    }
    const unknown = await ask('PATCH', `/admin/users/${admin.userId}`, { policy: 'none' });
    expect(unknown.json).toMatchObject({ status: 400, errors: [{ pointer: '/policy' }] });
  });
});
