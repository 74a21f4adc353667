import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { awaitJob, jobIdIn, readJob } from '../support/jobs.ts';
import { at, numberAt, textAt, textsAt } from '../support/json.ts';
import type { QueueBackend } from '../support/service.ts';
import { createFolder, type TestFolder, upload } from '../support/users.ts';
import { createFolderOn } from '../workers/create-folder-on.ts';
import { openVolumeStage, type VolumeStage } from './volume-stage.ts';

const later = { Prefer: 'respond-async' };
const readOnly = [409, 'volume_read_only'];
const outcomeOf = ({ status, json }: Answer) => [status, at(json, 'code')];

function describeStates(backend: QueueBackend): void {
  let stage: VolumeStage;
  beforeAll(async () => {
    stage = await openVolumeStage(backend);
  });
  afterEach(async () => {
    await Promise.all(stage.workers.splice(0).map((worker) => worker.stop()));
    await stage.reset();
  });
  afterAll(() => stage?.close());

  const ada = () => stage.ada.client;
  const filled = async (host: string, files: Record<string, string> = { a: 'content', 'd/b': 'more' }) => {
    const folder = await createFolderOn(ada(), host);
    await upload(ada(), folder, files);
    return folder;
  };
  const read = async (folder: TestFolder, path: string, client: Client = ada()) =>
    (await client.call('GET', folder.path('files', ...path.split('/')))).text;
  const archive = async (folder: TestFolder) =>
    jobIdIn((await ada().call('POST', folder.path('archives'), { json: { files: ['a'] } })).headers);

  it('lists the volumes with state, room, folders and workers', async () => {
    const worker = await stage.startWorker();
    await filled('east');
    const { status, json } = await stage.admin.call('GET', '/admin/volumes');
    expect(status).toBe(200);
    expect(textsAt(json, 'name', 'items')).toEqual(['east', 'west']);
    const [listed] = (await stage.admin.call('GET', '/admin/workers')).json
      ? [await stage.admin.call('GET', '/admin/workers')]
      : [];
    const room = { total: expect.any(Number), used: expect.any(Number), free: expect.any(Number) };
    const east = await stage.volume('east');
    expect(east).toEqual({
      name: 'east',
      state: 'active',
      changed_at: at(east, 'changed_at'),
      bytes: room,
      inodes: at(east, 'inodes') === null ? null : room,
      folders: expect.any(Number),
      running_writers: expect.any(Number),
      workers: [textAt(listed?.json, 'items', 0, 'id')],
      probe: {
        latency_ms: expect.any(Number),
        last_ok_at: expect.stringMatching(/Z$/),
        last_error_at: null,
        last_error: null,
      },
    });
    expect(numberAt(east, 'folders')).toBeGreaterThan(0);
    expect(numberAt(east, 'bytes', 'used') + numberAt(east, 'bytes', 'free')).toBe(
      numberAt(east, 'bytes', 'total'),
    );
    expect(await worker.stop()).toBe(0);
    await eventually(async () => expect(at(await stage.volume('east'), 'workers')).toEqual([]));
  });

  it('refuses other states, other volumes, and everybody but administrators', async () => {
    for (const json of [{}, { state: 'closed' }, { state: null }, { state: ['active'] }, { state: 1 }]) {
      const answer = await stage.admin.call('PATCH', '/admin/volumes/east', { json });
      expect(outcomeOf(answer), JSON.stringify(json)).toEqual([400, 'request_malformed']);
    }
    for (const name of ['none', '__proto__', "'--", 'east%2f']) {
      const path = `/admin/volumes/${name}`;
      expect((await stage.admin.call('GET', path)).status, name).toBe(404);
      const json = { state: 'read_only' };
      expect((await stage.admin.call('PATCH', path, { json })).status, name).toBe(404);
    }
    for (const [method, path] of [
      ['GET', '/admin/volumes'],
      ['GET', '/admin/volumes/east'],
      ['PATCH', '/admin/volumes/east'],
    ] as const) {
      expect(outcomeOf(await ada().call(method, path))).toEqual([403, 'admin_required']);
    }
    expect(at(await stage.volume('east'), 'state')).toBe('active');
  });

  it('refuses every change of a read-only volume at every API, and reads from it as ever', async () => {
    await stage.startWorker();
    const [folder, other] = [await filled('east'), await filled('west')];
    const tus = { 'Tus-Resumable': '1.0.0' };
    const metadata = `folder ${btoa(folder.name)},path ${btoa('resumable')}`;
    const begin = (client: Client) =>
      client.call('POST', '/uploads', {
        headers: { ...tus, 'Upload-Length': '4', 'Upload-Metadata': metadata },
      });
    const begun = (await begin(ada())).headers.location ?? '';
    const token = textAt(
      (await ada().call('POST', folder.path('request-upload'), { json: { path: 't', size: 4 } })).json,
      'token',
    );
    const archived = await archive(folder);
    expect((await awaitJob(ada(), archived)).state).toBe('succeeded');
    expect((await stage.set('east', 'read_only')).json).toMatchObject({ state: 'read_only' });

    const octets = { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': '0' };
    const changes = (client: Client) => ({
      upload: client.call('POST', folder.path('upload'), { parts: [{ fileName: 'c', bytes: 'x' }] }),
      put: client.call('PUT', folder.path('files', 'a'), { body: 'x' }),
      mkdir: client.call('POST', folder.path('mkdir'), { json: { path: 'e' } }),
      move: client.call('POST', folder.path('move'), { json: { src: 'a', dst: 'd' } }),
      copy: client.call('POST', folder.path('copy'), { json: { src: 'a', dst: 'c' } }),
      copyInto: client.call('POST', folder.path('copy'), {
        json: { src: 'a', dst: 'c', src_folder: other.name },
      }),
      rename: client.call('POST', folder.path('rename-file'), { json: { target_path: 'a', new_name: 'z' } }),
      remove: client.call('DELETE', folder.path('files', 'a')),
      removeSeveral: client.call('DELETE', folder.path('delete_files'), { json: { files: ['a'] } }),
      removeLater: client.call('POST', folder.path('delete-files-async'), { json: { files: ['a'] } }),
      archive: client.call('POST', folder.path('archives'), { json: { files: ['a'] } }),
      removeArchive: client.call('DELETE', `/archives/${archived}`),
      begin: begin(client),
      patch: client.call('PATCH', begun, { headers: { ...tus, ...octets }, body: 'four' }),
      terminate: client.call('DELETE', begun, { headers: tus }),
      byToken: client.call('PATCH', `/upload?token=${token}`, {
        headers: { ...tus, ...octets },
        body: 'four',
        auth: 'none',
      }),
      request: client.call('POST', folder.path('request-upload'), { json: { path: 'u', size: 0 } }),
      session: client.call('POST', folder.path('create_upload_session'), { json: { path: 'u', size: 1 } }),
      clone: client.call('POST', other.path('clone'), { json: { target_name: 'k', target_host: 'east' } }),
      create: client.call('POST', '/folders', { json: { name: 'n', host: 'east' } }),
      delete: client.call('DELETE', folder.path()),
      deleteForEver: client.call('DELETE', folder.path('force')),
      deleteById: client.call('DELETE', '/folders', { json: { id: folder.id } }),
    });
    await eventually(async () => {
      const heard = await stage.elsewhere.call('POST', folder.path('mkdir'), { json: { path: 'e' } });
      expect(outcomeOf(heard)).toEqual(readOnly);
    });
    for (const client of [ada(), stage.elsewhere]) {
      for (const [name, asked] of Object.entries(changes(client))) {
        expect(outcomeOf(await asked), name).toEqual(readOnly);
      }
      expect(await read(folder, 'a', client)).toBe('content');
      const listed = await client.call('GET', folder.path('files'));
      expect(textsAt(listed.json, 'name', 'items')).toEqual(['a', 'd']);
      const whole = await client.call('GET', folder.path('download'), { query: { files: ['d'] } });
      expect(whole.status).toBe(200);
      const built = await client.call('GET', `/archives/${archived}`);
      expect(built.status).toBe(200);
      const counted = await client.call('POST', folder.path('recalculate'));
      expect(counted.json).toMatchObject({ after: { files: 2 }, drift: { bytes: 0, files: 0 } });
      expect((await client.call('HEAD', begun, { headers: tus })).headers['upload-offset']).toBe('0');
      await upload(client, other, { c: 'the other volume goes on' });
    }
    // What changes no content goes on.
    const named = await ada().call('POST', folder.path('rename'), { json: { new_name: `${folder.name}-2` } });
    expect(named.status).toBe(200);

    await stage.set('east', 'active');
    const arrived = await ada().call('PATCH', begun, { headers: { ...tus, ...octets }, body: 'four' });
    expect(arrived.status).toBe(204);
    expect(await ada().call('GET', `/folders/${folder.id}/files/resumable`)).toMatchObject({ text: 'four' });
  });

  it('keeps what is in the trash of a read-only volume, and gives it back', async () => {
    await stage.startWorker();
    const folder = await createFolderOn(ada(), 'east');
    expect((await ada().call('DELETE', folder.path())).status).toBe(204);
    await stage.set('east', 'read_only');
    const { id } = folder;
    expect(outcomeOf(await ada().call('DELETE', `/trash/${id}`))).toEqual(readOnly);
    expect(outcomeOf(await ada().call('POST', '/folders/purge', { json: { id } }))).toEqual(readOnly);
    expect((await ada().call('POST', `/trash/${id}/restore`)).status).toBe(200);
    expect((await ada().call('GET', folder.path())).status).toBe(200);
    expect(outcomeOf(await ada().call('DELETE', folder.path()))).toEqual(readOnly);
    await stage.set('east', 'active');
    expect((await ada().call('DELETE', folder.path())).status).toBe(204);
    expect((await ada().call('DELETE', `/trash/${id}`)).status).toBe(204);
  });

  it('lets jobs that would write wait, untouched, and runs them when the volume is active again', async () => {
    const folder = await createFolderOn(ada(), 'east');
    const other = await createFolderOn(ada(), 'west');
    const parts = [{ fileName: 'a', bytes: 'acknowledged' }];
    const staged = await ada().call('POST', folder.path('upload'), { parts, headers: later });
    const commit = jobIdIn(staged.headers);
    await stage.set('east', 'read_only');
    await stage.startWorker();
    await upload(ada(), other, { a: 'content' });
    const measured = await ada().call('POST', folder.path('recalculate'), { headers: later });
    expect((await awaitJob(ada(), jobIdIn(measured.headers))).state).toBe('succeeded');
    for (let round = 0; round < 3; round += 1) {
      await upload(ada(), other, { [`${round}`]: 'meanwhile' });
      expect((await readJob(ada(), commit)).body).toMatchObject({ state: 'queued', attempt: 0 });
    }
    expect((await ada().call('GET', folder.path('files', 'a'))).status).toBe(404);
    await stage.set('east', 'active');
    expect((await awaitJob(ada(), commit)).body).toMatchObject({ state: 'succeeded', attempt: 0 });
    expect(await read(folder, 'a')).toBe('acknowledged');
  });

  it('ends a waiting job that is cancelled, without a touch of the volume', async () => {
    const builder = await stage.startWorker();
    const folder = await filled('east');
    await builder.stop();
    const id = await archive(folder);
    await stage.set('east', 'read_only');
    await stage.startWorker();
    expect((await ada().call('DELETE', `/jobs/${id}`)).status).toBeLessThan(300);
    expect((await awaitJob(ada(), id)).state).toBe('cancelled');
  });

  it('stops a running job that writes, and has it go on later from where it was', {
    timeout: 120_000,
  }, async () => {
    await stage.startWorker();
    const folder = await createFolderOn(ada(), 'east');
    const names = Array.from({ length: 1_500 }, (_, index) => `tree/${index % 20}/${index}`);
    for (let from = 0; from < names.length; from += 500) {
      const some = names.slice(from, from + 500).map((name) => [name, randomBytes(64)] as const);
      await upload(ada(), folder, Object.fromEntries(some));
    }
    const json = { src: 'tree', dst: 'copied' };
    const asked = await ada().call('POST', folder.path('copy'), { json, headers: later });
    const id = jobIdIn(asked.headers);
    await eventually(async () =>
      expect(numberAt((await readJob(ada(), id)).body, 'progress', 'entries')).toBeGreaterThan(0),
    );
    await stage.set('east', 'read_only');
    await eventually(async () => {
      expect((await readJob(ada(), id)).body).toMatchObject({ state: 'queued', attempt: 0 });
      expect(numberAt(await stage.volume('east'), 'running_writers')).toBe(0);
    });
    expect((await ada().call('GET', folder.path('files'), { query: { path: 'copied' } })).status).toBe(404);
    await stage.set('east', 'active');
    const done = await awaitJob(ada(), id, { timeoutMs: 60_000 });
    expect(done.body).toMatchObject({ state: 'succeeded', attempt: 0, result: { files: names.length } });
    const counted = await ada().call('POST', folder.path('recalculate'));
    expect(counted.json).toMatchObject({
      after: { files: 2 * names.length },
      drift: { bytes: 0, files: 0 },
    });
  });

  it('places folders by hand or by room, and none on a draining volume, which works on', async () => {
    await stage.startWorker();
    const folder = await filled('east');
    // Both lie on one disk, so the first one is as roomy as the other.
    const hostOf = async (answer: Answer) => textAt(answer.json, 'host');
    const make = (json: object) => ada().call('POST', '/folders', { json });
    expect(await hostOf(await make({ name: `a-${folder.name}` }))).toBe('east');
    await stage.set('east', 'draining');
    expect(await hostOf(await make({ name: `b-${folder.name}` }))).toBe('west');
    expect(outcomeOf(await make({ name: 'c', host: 'east' }))).toEqual([409, 'volume_draining']);
    const clone = (json: object) => ada().call('POST', folder.path('clone'), { json });
    const cloned = await clone({ target_name: `d-${folder.name}` });
    expect([cloned.status, textAt(cloned.json, 'host')]).toEqual([201, 'west']);
    expect(outcomeOf(await clone({ target_name: 'e', target_host: 'east' }))).toEqual([
      409,
      'volume_draining',
    ]);
    await upload(ada(), folder, { c: 'works on' });
    expect((await ada().call('DELETE', folder.path('files', 'a'))).status).toBe(204);
    expect(await read(folder, 'c')).toBe('works on');
    expect((await ada().call('DELETE', folder.path())).status).toBe(204);
    await stage.set('west', 'draining');
    expect(outcomeOf(await make({ name: 'f' }))).toEqual([409, 'volume_draining']);
    await stage.set('west', 'read_only');
    expect(outcomeOf(await make({ name: 'g' }))).toEqual([409, 'volume_draining']);
    expect(outcomeOf(await make({ name: 'h', host: 'west' }))).toEqual(readOnly);
    const hosts = await ada().call('GET', '/folders/_/hosts');
    expect(at(hosts.json, 'allowed')).toEqual(['east', 'west']);
  });

  it('is kept in the database: an API that starts later knows from its first request on', async () => {
    const folder = await createFolder(ada());
    await stage.set('east', 'read_only');
    const client = await stage.startApi();
    const refused = await client.call('POST', folder.path('mkdir'), { json: { path: 'e' } });
    expect(outcomeOf(refused)).toEqual(readOnly);
  });

  it('notes who set a state, and what it was before', async () => {
    const query = { subject: 'west', action: 'volume.change' };
    const first = await stage.set('west', 'draining');
    const second = await stage.set('west', 'read_only');
    const { json } = await stage.admin.call('GET', '/admin/audit', { query });
    expect([at(json, 'items', 0), at(json, 'items', 1)]).toMatchObject([
      {
        request_id: second.headers['x-request-id'],
        details: { state: 'read_only', before: { state: 'draining' } },
      },
      {
        request_id: first.headers['x-request-id'],
        details: { state: 'draining', before: { state: 'active' } },
      },
    ]);
  });
}

describeEachQueue('states of volumes', describeStates);
