import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderVolume, loadFolder } from '../../api/authorize.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../support/factories.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

describe('loadFolder', () => {
  it('refuses a missing folder, a foreign one and a missing right with the same words', async () => {
    const { db } = database;
    const [userId, ownerId] = [await insertTestUser(db), await insertTestUser(db)];
    const foreign = await insertTestFolder(db, { ownerId });
    const shared = await insertTestFolder(db, { ownerId });
    await insertTestMember(db, { folderId: shared.id, userId, name: 'shared', permission: 'rd' });
    const names = ['missing', foreign.name, foreign.id, 'shared', shared.id, 'a\0b', '\ud800', ''];
    const refusals = await Promise.all(
      names.map((nameOrId) =>
        loadFolder({ db }, { userId, nameOrId, right: 'own' }).then(
          () => 'loaded',
          (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
        ),
      ),
    );
    expect(new Set(refusals).size).toBe(1);
    expect(refusals[0]).toMatch(/^not_found: /);
  });

  it('takes the name, the dashed id and the hex id in any case', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const { id, name } = await insertTestFolder(db, { ownerId: userId });
    const hex = id.replaceAll('-', '');
    for (const nameOrId of [name, id, id.toUpperCase(), hex, hex.toUpperCase()]) {
      expect((await loadFolder({ db }, { userId, nameOrId, right: 'own' })).id).toBe(id);
    }
  });

  it('does not mistake a lone surrogate for the replacement character', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    await insertTestFolder(db, { ownerId: userId, name: '\ufffd' });
    const load = (nameOrId: string) => loadFolder({ db }, { userId, nameOrId, right: 'read' });
    await expect(load('\ud800')).rejects.toMatchObject({ code: 'not_found' });
    await expect(load('\ufffd')).resolves.toMatchObject({ name: '\ufffd' });
  });
});

describe('folderVolume', () => {
  it('refuses a volume that this process does not have with volume_unavailable', () => {
    const find = () => folderVolume({ volumes: new Map() }, { volume: 'gone' });
    expect(find).toThrowError(expect.objectContaining({ code: 'volume_unavailable' }));
  });
});
