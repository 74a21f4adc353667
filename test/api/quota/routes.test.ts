import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertTestFolder } from '../../support/factories.ts';
import { type AdminServer, startAdminServer } from '../admin-server.ts';
import { makeKeypair } from '../core-server.ts';

let stage: AdminServer;
let database: AdminServer['database'];
let secrets: AdminServer['secrets'];
let ask: AdminServer['ask'];

beforeAll(async () => {
  stage = await startAdminServer();
  ({ database, secrets, ask } = stage);
});
afterAll(() => stage.close());

describe('/admin/folders', () => {
  it('lists the folders of one user or all, page by page', async () => {
    const owner = await makeKeypair(database, secrets);
    const ids: string[] = [];
    for (let times = 0; times < 3; times += 1) {
      const { id } = await insertTestFolder(database.db, { ownerId: owner.userId });
      ids.push(id.replaceAll('-', ''));
    }
    const first = await ask('GET', `/admin/folders?user=${owner.email}&limit=2`);
    expect(first.json).toMatchObject({ items: ids.slice(0, 2).map((id) => ({ id })), next_cursor: ids[1] });
    const rest = await ask('GET', `/admin/folders?user=${owner.email}&limit=2&cursor=${ids[1]}`);
    expect(rest.json).toMatchObject({ items: [{ id: ids[2] }], next_cursor: null });
    expect((await ask('GET', '/admin/folders?user=nobody@example.org')).status).toBe(404);
  });

  it.each(['limit=0', 'limit=501', 'cursor=x', 'user='])('answers 400 to ?%s', async (query) => {
    expect((await ask('GET', `/admin/folders?${query}`)).status).toBe(400);
  });
});

describe('/admin/folders/:id/recalculate', () => {
  it('is for administrators, and for folders that have something to count', async () => {
    const owner = await makeKeypair(database, secrets);
    const { id, name } = await insertTestFolder(database.db, { ownerId: owner.userId });
    const path = `/admin/folders/${id}/recalculate`;
    expect((await ask('POST', path, {}, owner)).status).toBe(403);
    for (const state of ['trashed', 'deleted', 'purged', 'cloning']) {
      await database.db.execute(`UPDATE folders SET state = '${state}' WHERE id = '${id}'`);
      expect((await ask('POST', path)).status).toBe(404);
    }
    expect((await ask('POST', `/admin/folders/${name}/recalculate`)).status).toBe(404);
    expect((await ask('GET', `/admin/audit?folder=${id}`)).json).toMatchObject({ items: [] });
  });
});

describe('/admin/folders/:id', () => {
  it('shows a folder, and gives it other limits, one at a time or both', async () => {
    const owner = await makeKeypair(database, secrets);
    const { id, name } = await insertTestFolder(database.db, { ownerId: owner.userId });
    const path = `/admin/folders/${id.replaceAll('-', '')}`;
    const shown = {
      id: id.replaceAll('-', ''),
      name,
      owner: owner.userId,
      owner_email: owner.email,
      host: 'local',
      state: 'active',
      quota_bytes: 1024 ** 3,
      quota_files: 1_000,
      used_bytes: 0,
      used_files: 0,
      trash_bytes: 0,
      trash_files: 0,
      reserved_bytes: 0,
      reserved_files: 0,
      directories: 0,
      directories_max: 10_000,
      created_at: expect.any(String),
    };
    expect((await ask('GET', path)).json).toEqual(shown);
    expect((await ask('PATCH', path, { quota_bytes: 0 })).json).toEqual({ ...shown, quota_bytes: 0 });
    const both = { quota_bytes: 999_999_999_999_999, quota_files: 0 };
    expect((await ask('PATCH', `/admin/folders/${id}`, both)).json).toEqual({ ...shown, ...both });
  });

  it('knows no folder that is deleted or being made, and none by its name', async () => {
    const { userId } = await makeKeypair(database, secrets);
    const { id, name } = await insertTestFolder(database.db, { ownerId: userId });
    for (const state of ['deleted', 'purged', 'cloning']) {
      await database.db.execute(`UPDATE folders SET state = '${state}' WHERE id = '${id}'`);
      expect((await ask('GET', `/admin/folders/${id}`)).status).toBe(404);
      expect((await ask('PATCH', `/admin/folders/${id}`, { quota_files: 1 })).status).toBe(404);
    }
    for (const other of [name, '%20', '018f0000-0000-7000-8000-000000000000']) {
      expect((await ask('PATCH', `/admin/folders/${other}`, { quota_files: 1 })).status).toBe(404);
    }
  });

  it.each([{}, { quota_bytes: -1 }, { quota_bytes: 1.5 }, { quota_files: null }, { quota_files: 10 ** 12 }])(
    'refuses %j with 400',
    async (change) => {
      const { userId } = await makeKeypair(database, secrets);
      const { id } = await insertTestFolder(database.db, { ownerId: userId });
      expect((await ask('PATCH', `/admin/folders/${id}`, change)).status).toBe(400);
    },
  );
});
