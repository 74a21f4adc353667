import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type CallOptions, createClient, pathOf } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import { setFolderLimits } from '../support/limits.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, offsetOf, patch, tus } from '../support/tus.ts';
import { createFolder, share, upload } from '../support/users.ts';
import { read } from './begun-uploads.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

const none = { files: 0, bytes: 0 };

/** Asks ada's folder for a token. */
async function ask(
  own: FolderOfAda,
  route: string,
  json: Readonly<Record<string, unknown>>,
  headers: Record<string, string> = {},
): Promise<{ readonly token: string; readonly url: unknown }> {
  const answer = await own.ada.call('POST', own.folder.path(route), { json, headers });
  expectStatus(answer, 200);
  return { token: textAt(answer.json, 'token'), url: Reflect.get(Object(answer.json), 'url') };
}

function describeUploads(stage: Stage, own: FolderOfAda): void {
  it('takes the bytes of one file from whoever bears the token', async () => {
    const bearer = stage.service.client();
    const content = randomBytes(100_000);
    const { token, url } = await ask(own, 'request-upload', { path: './a/b c.bin', size: content.length });
    expect(url).toBe(`${own.ada.url}/upload`);
    expect((await readUsage(own.ada, own.folder.name)).reserved).toEqual({ bytes: 100_000, files: 1 });
    const path = `/upload?token=${token}&dst_dir=../../elsewhere`;
    expectStatus(await bearer.call('OPTIONS', path), 204);
    const first = await patch(bearer, path, 0, content.subarray(0, 60_000));
    expectStatus(first, 204);
    expect(first.headers['upload-offset']).toBe('60000');
    expect(await offsetOf(bearer, path)).toBe(60_000);
    expectProblem(await patch(bearer, path, 0, 'x'), 409, 'upload_offset_mismatch');
    expectStatus(await patch(bearer, path, 60_000, content.subarray(60_000)), 204);
    expect(await read(own.ada, own, 'a/b c.bin')).toEqual(content);
    expect(await offsetOf(bearer, path)).toBe(100_000);
    expectProblem(await patch(bearer, path, 100_000, 'x'), 413, 'body_too_large');
  });

  it('makes a file of no bytes with the token', async () => {
    const { token } = await ask(own, 'request-upload', { path: 'empty', size: 0 });
    expect(await read(own.ada, own, 'empty')).toHaveLength(0);
    expect(await offsetOf(own.ada, `/upload?token=${token}`)).toBe(0);
    await ask(own, 'create_upload_session', { path: 'empty too', size: 0 });
    expect(await read(own.ada, own, 'empty too')).toHaveLength(0);
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: 0, files: 2 },
      reserved: none,
    });
  });

  it('has a path of its own for older clients', async () => {
    const bearer = stage.service.client();
    const version = { 'X-BackendAI-Version': 'v5.20191215' };
    const answer = await ask(own, 'create_upload_session', { path: 'old', size: 3 }, version);
    expect(answer.url).toBeUndefined();
    const path = `/folders/_/tus/upload/${answer.token}`;
    expectStatus(await bearer.call('OPTIONS', path), 204);
    expect(await offsetOf(bearer, path)).toBe(0);
    expectStatus(await patch(bearer, path, 0, 'old', { headers: version }), 204);
    expect((await read(own.ada, own, 'old')).toString()).toBe('old');
  });

  it.each(['../x', '/etc/passwd', 'a/../../b', '', '.'])('refuses the path %j', async (path) => {
    const answer = await own.ada.call('POST', own.folder.path('request-upload'), { json: { path, size: 1 } });
    expect(answer.status).toBe(400);
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).data).toEqual(none);
  });

  it('refuses what has no room with the token already', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 100 });
    const json = { path: 'x', size: 101 };
    const answer = await own.ada.call('POST', own.folder.path('request-upload'), { json });
    expectProblem(answer, 413, 'quota_exceeded');
  });
}

function describeDownloads(stage: Stage, own: FolderOfAda): void {
  it('sends one file, in ranges too, to whoever bears the token', async () => {
    const bearer = stage.service.client();
    const content = randomBytes(50_000);
    await upload(own.ada, own.folder, { 'd/naïve "50%".bin': content });
    for (const key of ['path', 'file']) {
      const { token, url } = await ask(own, 'request-download', { [key]: 'd/naïve "50%".bin' });
      expect(url).toBe(`${own.ada.url}/download`);
      const path = `/download?token=${token}&dst_dir=x&path=other`;
      const whole = await bearer.call('GET', path);
      expectStatus(whole, 200);
      expect(whole.bytes).toEqual(content);
      expect(whole.headers).toMatchObject({
        'content-length': '50000',
        'content-disposition': expect.stringContaining("filename*=UTF-8''na%C3%AFve%20%2250%25%22.bin"),
      });
      const headers = { Range: 'bytes=10-19', 'If-Range': String(whole.headers.etag) };
      const part = await bearer.call('GET', path, { headers });
      expectStatus(part, 206);
      expect(part.bytes).toEqual(content.subarray(10, 20));
      const head = await bearer.call('HEAD', path);
      expect(head.headers['content-length']).toBe('50000');
    }
  });

  it('sends a directory as a zip when it is asked to, by token or by query', async () => {
    const bearer = stage.service.client();
    await upload(own.ada, own.folder, { 'd/a': '1', 'd/b': '2' });
    const plain = (await ask(own, 'request-download', { path: 'd', archive: false })).token;
    expectProblem(await bearer.call('GET', `/download?token=${plain}`), 400, 'entry_not_regular');
    const packed = (await ask(own, 'request-download', { path: 'd', archive: true })).token;
    for (const query of [`token=${packed}`, `token=${plain}&archive=true`]) {
      const answer = await bearer.call('GET', `/download?${query}`);
      expectStatus(answer, 200);
      expect(answer.headers['content-type']).toBe('application/zip');
      expect(answer.bytes.subarray(0, 2).toString()).toBe('PK');
      expectStatus(await bearer.call('HEAD', `/download?${query}`), 200);
    }
  });

  it('sends several entries as a zip under the name asked for', async () => {
    const bearer = stage.service.client();
    await upload(own.ada, own.folder, { a: '1', 'd/b': '2', c: '3' });
    const json = { files: ['a', 'd'], filename: 'mine.zip' };
    const { token, url } = await ask(own, 'request-download-archive', json);
    expect(url).toBe(`${own.ada.url}/download-archive`);
    const answer = await bearer.call('GET', `/download-archive?token=${token}`);
    expectStatus(answer, 200);
    expect(answer.headers['content-disposition']).toBe('attachment; filename="mine.zip"');
    expect(answer.bytes.includes('d/b') && !answer.bytes.includes('c3')).toBe(true);
    expectStatus(await bearer.call('HEAD', `/download-archive?token=${token}`), 200);
    await own.ada.call('DELETE', own.folder.path('delete_files'), { json: { files: ['a'] } });
    expectProblem(await bearer.call('GET', `/download-archive?token=${token}`), 404, 'entry_not_found');
  });

  it('has a path of its own for older clients', async () => {
    await upload(own.ada, own.folder, { a: 'old' });
    const { token } = await ask(own, 'request_download', { file: 'a' });
    const path = `/folders/_/download_with_token?token=${token}`;
    expect((await stage.service.client().call('GET', path)).text).toBe('old');
    expectStatus(await stage.service.client().call('HEAD', path), 200);
  });

  it.each([{}, { path: null }, { path: 5 }, { path: 'a', archive: 'maybe' }])(
    'refuses to issue for %j',
    async (json) => {
      const answer = await own.ada.call('POST', own.folder.path('request-download'), { json });
      expectProblem(answer, 400, 'request_malformed');
    },
  );
}

/** Transfers by token. */
export function describeTransfers(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('for uploads', () => describeUploads(stage, own));
  describe('for downloads', () => describeDownloads(stage, own));

  it('are good for their purpose alone, and say nothing when they are not', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const up = (await ask(own, 'request-upload', { path: 'x', size: 1 })).token;
    const down = (await ask(own, 'request-download', { path: 'a' })).token;
    const pack = (await ask(own, 'request-download-archive', { files: ['a'] })).token;
    const bearer = stage.service.client();
    const wrong = ['', 'x', `${down}x`, '../..', `${'a'.repeat(42)}=`, 'a'.repeat(43)];
    for (const token of [up, pack, ...wrong].map(encodeURIComponent)) {
      expectProblem(await bearer.call('GET', `/download?token=${token}`), 404, 'not_found');
    }
    for (const token of [up, down]) {
      expectProblem(await bearer.call('GET', `/download-archive?token=${token}`), 404, 'not_found');
    }
    for (const token of [down, pack]) {
      expectProblem(await patch(bearer, `/upload?token=${token}`, 0, 'x'), 404, 'not_found');
      expectProblem(await patch(bearer, `/folders/_/tus/upload/${token}`, 0, 'x'), 404, 'not_found');
    }
    expectProblem(await bearer.call('GET', '/download'), 400, 'request_malformed');
    expectProblem(
      await bearer.call('GET', `/download?token=${down}&token=${down}`),
      400,
      'request_malformed',
    );
  });

  it('cannot be made for more than one may do, and end when the right does', async () => {
    const { bob } = people;
    await upload(own.ada, own.folder, { a: '1' });
    const as = (route: string, json: unknown): [string, string, CallOptions] => [
      'POST',
      own.folder.path(route),
      { json },
    ];
    expectProblem(await bob.client.call(...as('request-download', { path: 'a' })), 404, 'not_found');
    await share(own.folder, own.ada, { user: bob, permission: 'ro' });
    expectProblem(await bob.client.call(...as('request-upload', { path: 'b', size: 1 })), 404, 'not_found');
    await own.ada.call('PATCH', own.folder.path('members', bob.id), { json: { perm: 'rw' } });
    const up = textAt((await bob.client.call(...as('request-upload', { path: 'b', size: 1 }))).json, 'token');
    const down = textAt((await bob.client.call(...as('request-download', { path: 'a' }))).json, 'token');
    const bearer = stage.service.client();
    expectStatus(await bearer.call('GET', `/download?token=${down}`), 200);
    await own.ada.call('PATCH', own.folder.path('members', bob.id), { json: { perm: 'ro' } });
    expectStatus(await bearer.call('GET', `/download?token=${down}`), 200);
    expectProblem(await patch(bearer, `/upload?token=${up}`, 0, 'x'), 404, 'not_found');
    expectStatus(await own.ada.call('DELETE', own.folder.path('members', bob.id)), 204);
    expectProblem(await bearer.call('GET', `/download?token=${down}`), 404, 'not_found');
    expectStatus(await tus(bearer, 'HEAD', `/upload?token=${up}`), 404);
  });

  it('stay with their folder, whatever else is named like it', async () => {
    await upload(own.ada, own.folder, { a: 'right' });
    const { token } = await ask(own, 'request-download', { path: 'a' });
    const dashed = own.folder.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    const decoy = await createFolder(own.ada, dashed);
    const byId = { ...decoy, path: (...below: string[]) => pathOf('folders', decoy.id, ...below) };
    await upload(own.ada, byId, { a: 'wrong' });
    expect((await stage.service.client().call('GET', `/download?token=${token}`)).text).toBe('right');
    expectStatus(await own.ada.call('DELETE', byId.path()), 204);
  });

  it('name the service as their caller does', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const { url } = await ask(own, 'request-download', { path: 'a' }, { Host: 'files.example.org:81' });
    expect(url).toBe('http://files.example.org:81/download');
    const made = await tus(createClient(own.ada.url, own.ada.keypair), 'POST', '/uploads', {
      headers: {
        'Upload-Length': '1',
        'Upload-Metadata': metadataOf({ folder: own.folder.name, path: 'z' }),
      },
    });
    expect(made.headers.location).toMatch(/^\/uploads\/[0-9a-f]{32}$/);
  });
}
