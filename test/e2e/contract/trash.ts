import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathOf } from '../support/http-client.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, share, type TestUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime } from './rules.ts';
import { type Stage, useFolder, usePeople } from './stage.ts';

function describeKept(stage: Stage): void {
  let service: Service;
  let ada: TestUser;
  let bob: TestUser;
  beforeAll(async () => {
    service = await startService({ backend: stage.backend, env: { VFOLDER_TRASH_DAYS: '7' } });
    ada = await createUser(service, 'ada');
    bob = await createUser(service, 'bob');
  });
  afterAll(() => service?.stop());

  const trashOf = async (user: TestUser) => listAt((await user.client.call('GET', '/trash')).json, 'items');

  async function trashed() {
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { a: '1', 'd/b': '23' });
    await share(folder, ada.client, { user: bob, permission: 'rd' });
    expectStatus(await ada.client.call('DELETE', folder.path()), 204);
    return folder;
  }

  it('keeps a deleted folder for its owner alone, out of everybody’s sight, its name free', async () => {
    const folder = await trashed();
    for (const user of [ada, bob]) {
      expectProblem(await user.client.call('GET', folder.path()), 404, 'not_found');
      expectProblem(await user.client.call('GET', pathOf('folders', folder.id)), 404, 'not_found');
    }
    const kept = (await trashOf(ada)).find((one) => textAt(one, 'id') === folder.id);
    expect(kept).toEqual({
      id: folder.id,
      name: folder.name,
      host: 'local',
      numFiles: 2,
      used_bytes: 3,
      deleted_at: isoTime,
      expires_at: isoTime,
    });
    const days =
      (Date.parse(textAt(kept, 'expires_at')) - Date.parse(textAt(kept, 'deleted_at'))) / 86_400_000;
    expect(days).toBeCloseTo(7, 1);
    expect(await trashOf(bob)).toEqual([]);
    await createFolder(ada.client, folder.name);
  });

  it('gives a folder back whole, under its name or another, to the owner alone', async () => {
    const folder = await trashed();
    const restore = (json: object, user = ada) =>
      user.client.call('POST', pathOf('trash', folder.id, 'restore'), { json });
    expectProblem(await restore({}, bob), 404, 'not_found');
    await createFolder(ada.client, folder.name);
    expectProblem(await restore({}), 400, 'folder_name_taken');
    expectProblem(await restore({ name: 'a/b' }), 400, 'name_invalid');
    const back = await restore({ name: `${folder.name}-back` });
    expectStatus(back, 200);
    expect(back.json).toEqual({ id: folder.id, name: `${folder.name}-back` });
    const info = await ada.client.call('GET', pathOf('folders', folder.id));
    expect(at(info.json, 'item')).toMatchObject({ is_owner: true, numFiles: 2, used_bytes: 3 });
    const content = await ada.client.call('GET', pathOf('folders', folder.id, 'files', 'd', 'b'));
    expect(content.text).toBe('23');
    expectProblem(await bob.client.call('GET', pathOf('folders', folder.id)), 404, 'not_found');
    expectProblem(await restore({}), 404, 'not_found');
  });

  it('deletes for ever, once', async () => {
    const folder = await trashed();
    const path = pathOf('trash', folder.id);
    expectProblem(await bob.client.call('DELETE', path), 404, 'not_found');
    const statuses = (await Promise.all([1, 2, 3].map(() => ada.client.call('DELETE', path)))).map(
      (one) => one.status,
    );
    expect(statuses.toSorted()).toEqual([204, 404, 404]);
    expectProblem(await ada.client.call('POST', `${path}/restore`, { json: {} }), 404, 'not_found');
    expect((await trashOf(ada)).map((one) => textAt(one, 'id'))).not.toContain(folder.id);
  });
}

/** Folders that were deleted and can be had back, where the service keeps them. */
export function describeTrash(stage: Stage): void {
  const own = useFolder(usePeople(stage));

  it('keeps nothing unless it is told to', async () => {
    expectStatus(await own.ada.call('DELETE', own.folder.path()), 204);
    expect((await own.ada.call('GET', '/trash')).json).toEqual({ items: [] });
    for (const id of [own.folder.id, 'no-id']) {
      expectProblem(
        await own.ada.call('POST', pathOf('trash', id, 'restore'), { json: {} }),
        404,
        'not_found',
      );
      expectProblem(await own.ada.call('DELETE', pathOf('trash', id)), 404, 'not_found');
    }
    const restore = pathOf('trash', own.folder.id, 'restore');
    expectProblem(await own.ada.call('POST', restore, { json: { name: 5 } }), 400, 'request_malformed');
  });

  describe('kept for some days', () => describeKept(stage));
}
