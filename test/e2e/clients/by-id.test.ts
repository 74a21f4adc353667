import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, CallOptions } from '../support/http-client.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestFolder, type TestUser, upload } from '../support/users.ts';

let service: Service;
let ada: TestUser;
let bob: TestUser;
beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1, env: { VFOLDER_TRASH_DAYS: '7' } });
  ada = await createUser(service, 'ada');
  bob = await createUser(service, 'bob');
});
afterAll(() => service?.stop());

const auth = { hmac: { version: 'v8.20240315' } };

function call(user: TestUser, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  return user.client.call(method, path, { auth, ...options });
}

const findId = (user: TestUser, name: string) => call(user, 'GET', '/folders/_/id', { json: { name } });

describe('a client that asks for the id first', () => {
  it('reaches a folder by hex and by dashed id', async () => {
    const folder = await createFolder(ada.client);
    const found = await findId(ada, folder.name);
    expect(found.json).toEqual({ id: folder.id, name: folder.name });
    const dashed = folder.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    for (const id of [folder.id, dashed]) {
      expect((await call(ada, 'GET', `/folders/${id}`)).json).toMatchObject({ name: folder.name });
    }
    expect((await findId(bob, folder.name)).status).toBe(404);
  });

  it.each(['id', 'vfolderId'])(
    'deletes by %s, finds the folder in the trash and restores it',
    async (key) => {
      const folder = await createFolder(ada.client);
      await upload(ada.client, folder, { file: 'content' });
      const json = { [key]: folder.id };
      expect((await call(bob, 'DELETE', '/folders', { json })).status).toBe(404);
      expect((await call(ada, 'DELETE', '/folders', { json })).status).toBe(204);
      expect((await call(ada, 'GET', `/folders/${folder.id}`)).status).toBe(404);
      expect((await findId(ada, folder.name)).json).toEqual({ id: folder.id, name: folder.name });
      expect((await findId(bob, folder.name)).status).toBe(404);
      expect((await call(bob, 'POST', '/folders/restore-from-trash-bin', { json })).status).toBe(404);
      expect((await call(ada, 'POST', '/folders/restore-from-trash-bin', { json })).status).toBe(204);
      const single = folder.path('download_single');
      expect((await call(ada, 'GET', single, { query: { file: 'file' } })).text).toBe('content');
    },
  );

  it.each(['/folders/delete-from-trash-bin', '/folders/purge'])(
    'ends a folder in the trash by %s for ever',
    async (path) => {
      const folder = await createFolder(ada.client);
      const json = { id: folder.id };
      expect((await call(ada, 'POST', path, { json })).status).toBe(404);
      expect((await call(ada, 'DELETE', folder.path())).status).toBe(204);
      expect((await call(bob, 'POST', path, { json })).status).toBe(404);
      expect((await call(ada, 'POST', path, { json })).status).toBe(204);
      expect((await findId(ada, folder.name)).status).toBe(404);
    },
  );

  it('deletes past the trash by force', async () => {
    const folder = await createFolder(ada.client);
    expect((await call(bob, 'DELETE', `/folders/${folder.id}/force`)).status).toBe(404);
    expect((await call(ada, 'DELETE', `/folders/${folder.id}/force`)).status).toBe(204);
    expect((await findId(ada, folder.name)).status).toBe(404);
  });
});

describe('directories made by a list', () => {
  const make = (folder: TestFolder, path: readonly string[]) =>
    call(ada, 'POST', folder.path('mkdir'), { json: { path, parents: true, exist_ok: false } });

  it('are answered with 200, 207 or 422 and what became of each', async () => {
    const folder = await createFolder(ada.client);
    const whole = await make(folder, ['a', 'b/c']);
    expect([whole.status, whole.json]).toEqual([
      200,
      {
        results: {
          success: [
            { item: 'a', msg: null },
            { item: 'b/c', msg: null },
          ],
          failed: [],
        },
      },
    ]);
    const part = await make(folder, ['a', 'd']);
    const failed = [{ item: 'a', msg: expect.stringMatching(/\S/) }];
    expect([part.status, part.json]).toEqual([
      207,
      { results: { success: [{ item: 'd', msg: null }], failed } },
    ]);
    const none = await make(folder, ['a']);
    expect([none.status, none.json]).toEqual([422, { results: { success: [], failed } }]);
  });
});

describe('a clone', () => {
  it('is answered when it is whole, and its job tells events', async () => {
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { file: 'content' });
    const json = {
      target_name: `${folder.name}-2`,
      target_host: 'local',
      usage_mode: 'data',
      permission: 'wd',
    };
    const clone = await call(ada, 'POST', folder.path('clone'), { json });
    expect(clone.status).toBe(201);
    expect(clone.json).toMatchObject({
      name: json.target_name,
      usage_mode: 'data',
      permission: 'wd',
    });
    const jobs = listAt((await ada.client.call('GET', '/jobs')).json, 'items');
    const query = {
      task_id: textAt(
        jobs.find((job) => at(job, 'kind') === 'folder.clone'),
        'id',
      ),
    };
    const events = await call(ada, 'GET', '/events/background-task', { query });
    expect(events.headers['content-type']).toBe('text/event-stream');
    const names = [...events.text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
    expect(names.slice(-2)).toEqual(['bgtask_done', 'server_close']);
    for (const [, data = ''] of events.text.matchAll(/^data: (.*)$/gm))
      expect(() => JSON.parse(data)).not.toThrow();
    expect((await call(bob, 'GET', '/events/background-task', { query })).status).toBe(404);
    const single = `/folders/${textAt(clone.json, 'id')}/download_single`;
    expect((await call(ada, 'GET', single, { query: { file: 'file' } })).text).toBe('content');
  });
});

describe('figures of a folder', () => {
  it('are told by id, to those who may read it', async () => {
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { file: 'content' });
    const query = { folder_host: 'local', id: folder.id };
    const ask = (user: TestUser, what: string) => call(user, 'GET', `/folders/_/${what}`, { query });
    expect((await ask(ada, 'usage')).json).toEqual({ data: { file_count: 1, used_bytes: 7 } });
    expect((await ask(ada, 'used-bytes')).json).toEqual({ data: { used_bytes: 7 } });
    expect((await ask(ada, 'quota')).json).toEqual({ data: { used_bytes: 7, size_bytes: 1024 ** 3 } });
    expect((await ask(bob, 'usage')).status).toBe(404);
  });
});

describe('deleting files without waiting', () => {
  it('takes them out of view and answers with the job', async () => {
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { 'd/f': '1' });
    const json = { files: ['d'], recursive: true };
    const answer = await call(ada, 'POST', folder.path('delete-files-async'), { json });
    expect([answer.status, answer.json]).toEqual([202, { bgtask_id: expect.any(String) }]);
    expect((await call(ada, 'GET', folder.path('files'))).json).toMatchObject({ files: '[]' });
  });
});
