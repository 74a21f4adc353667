import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Answer } from '../support/http-client.ts';
import { setFolderLimits } from '../support/limits.ts';
import { openSocket } from '../support/raw-socket.ts';
import { basicHeader } from '../support/signature.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, offsetOf, patch, tus } from '../support/tus.ts';
import { share, upload } from '../support/users.ts';
import { create, read } from './begun-uploads.ts';
import { describeTusExtensions } from './resumable-extensions.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

const none = { files: 0, bytes: 0 };

function describeCore(stage: Stage, own: FolderOfAda): void {
  it('tells what it can without credentials', async () => {
    for (const path of ['/uploads', '/uploads/anything']) {
      const answer = await own.ada.call('OPTIONS', path, { auth: 'none' });
      expectStatus(answer, 204);
      expect(answer.headers).toMatchObject({
        'tus-resumable': '1.0.0',
        'tus-version': '1.0.0',
        'tus-extension':
          'creation,creation-with-upload,creation-defer-length,checksum,checksum-trailer,expiration,termination,concatenation',
        'tus-checksum-algorithm': 'sha1,sha256,md5,crc32',
        'tus-max-size': '9007199254740991',
      });
    }
  });

  it('takes a file in pieces and shows it only when it is whole', async () => {
    const content = randomBytes(300_001);
    const url = await create(own, content.length, { path: 'deep/er/a b.bin' });
    expectStatus(await patch(own.ada, url, 0, content.subarray(0, 100_000)), 204);
    const half = await tus(own.ada, 'HEAD', url);
    expectStatus(half, 200);
    expect(half.headers).toMatchObject({
      'upload-offset': '100000',
      'upload-length': '300001',
      'upload-metadata': metadataOf({ folder: own.folder.name, path: 'deep/er/a b.bin' }),
      'cache-control': 'no-store',
      'tus-resumable': '1.0.0',
    });
    expect(Date.parse(String(half.headers['upload-expires']))).toBeGreaterThan(Date.now());
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: none,
      reserved: { bytes: content.length, files: 1 },
    });
    expectProblem(
      await own.ada.call('GET', own.folder.path('files', 'deep', 'er', 'a b.bin')),
      404,
      'entry_not_found',
    );
    const last = await patch(own.ada, url, 100_000, content.subarray(100_000));
    expectStatus(last, 204);
    expect(last.headers['upload-offset']).toBe('300001');
    expect(await read(own.ada, own, 'deep/er/a b.bin')).toEqual(content);
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: content.length, files: 1 },
      reserved: none,
    });
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).stage).toEqual(none);
    expect(await offsetOf(own.ada, url)).toBe(300_001);
    expectStatus(await patch(own.ada, url, 300_001, ''), 204);
  });

  it('refuses a wrong offset and changes nothing by it', async () => {
    const url = await create(own, 6);
    expectStatus(await patch(own.ada, url, 0, 'abc'), 204);
    for (const offset of [0, 2, 4, 6]) {
      expectProblem(
        await patch(own.ada, url, offset, 'xyz'.slice(0, 6 - offset)),
        409,
        'upload_offset_mismatch',
      );
    }
    expectStatus(await patch(own.ada, url, 3, 'def'), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abcdef');
    expectProblem(await patch(own.ada, url, 3, 'def'), 409, 'upload_offset_mismatch');
  });

  it('makes a file of no bytes at once', async () => {
    const url = await create(own, 0, { path: 'empty' });
    expect(await read(own.ada, own, 'empty')).toHaveLength(0);
    expect(await offsetOf(own.ada, url)).toBe(0);
  });

  it('keeps what arrived before the connection broke', async () => {
    const url = await create(own, 200_000);
    const content = randomBytes(200_000);
    const socket = await openSocket(own.ada.url);
    const { keypair } = own.ada;
    if (keypair === undefined) throw new Error('Ada has a keypair.');
    socket.write(
      `PATCH ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basicHeader(keypair)}\r\nTus-Resumable: 1.0.0\r\n` +
        'Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 200000\r\n\r\n',
    );
    socket.write(content.subarray(0, 150_000), () => socket.end());
    const offset = await eventually(async () => {
      const known = await offsetOf(own.ada, url);
      expect(known).toBeGreaterThan(0);
      return known;
    });
    expect(offset).toBe(150_000);
    expectStatus(await patch(own.ada, url, offset, content.subarray(offset)), 204);
    expect(await read(own.ada, own, 'file.bin')).toEqual(content);
  });

  it('lets one of two writers at the same offset win, whole', async () => {
    const contents = [randomBytes(400_000), randomBytes(400_000)];
    const url = await create(own, 400_000);
    const answers = await Promise.all(contents.map((content) => patch(own.ada, url, 0, content)));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses[0]).toBe(204);
    expect([409, 423]).toContain(statuses[1]);
    const winner = answers.findIndex(({ status }) => status === 204);
    expect(await read(own.ada, own, 'file.bin')).toEqual(contents[winner]);
  });

  it('takes the method from X-HTTP-Method-Override', async () => {
    const url = await create(own, 3);
    const answer = await patch(own.ada, url, 0, 'abc', {
      method: 'POST',
      headers: { 'X-HTTP-Method-Override': 'PATCH' },
    });
    expectStatus(answer, 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abc');
  });

  it('replaces a file and refuses a directory in its place, giving the room back', async () => {
    await upload(own.ada, own.folder, { 'file.bin': 'the version before', 'taken/x': '1' });
    const url = await create(own, 3);
    expectStatus(await patch(own.ada, url, 0, 'new'), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('new');
    const other = await create(own, 3, { path: 'taken' });
    expectProblem(await patch(own.ada, other, 0, 'new'), 400, 'entry_conflict');
    expectStatus(await tus(own.ada, 'HEAD', other), 410);
    expect((await readUsage(own.ada, own.folder.name)).reserved).toEqual(none);
  });
}

function describeRefusals(stage: Stage, own: FolderOfAda): void {
  it('speaks version 1.0.0 only', async () => {
    const url = await create(own, 3);
    for (const version of ['0.2.2', '2.0.0', '']) {
      const headers = { 'Tus-Resumable': version };
      const answers = [
        await tus(own.ada, 'POST', '/uploads', { headers }),
        await patch(own.ada, url, 0, 'abc', { headers }),
        await tus(own.ada, 'DELETE', url, { headers }),
      ];
      for (const answer of answers) {
        expectProblem(answer, 412, 'tus_version_unsupported');
        expect(answer.headers['tus-version']).toBe('1.0.0');
      }
    }
    expect(await offsetOf(own.ada, url)).toBe(0);
  });

  it.each<[string, Record<string, string>]>([
    ['no length', {}],
    ['two lengths', { 'Upload-Length': '1', 'Upload-Defer-Length': '1' }],
    ['a length below zero', { 'Upload-Length': '-1' }],
    ['a length that is no integer', { 'Upload-Length': '1.5' }],
    ['a length beyond all counting', { 'Upload-Length': '9007199254740992' }],
    ['a deferred length that is not 1', { 'Upload-Defer-Length': '2' }],
    ['metadata that is not base64', { 'Upload-Length': '1', 'Upload-Metadata': 'folder %%%' }],
    ['no path', { 'Upload-Length': '1', 'Upload-Metadata': 'folder Zg==' }],
    ['no metadata', { 'Upload-Length': '1', 'Upload-Metadata': '' }],
    ['a strange kind of joining', { 'Upload-Length': '1', 'Upload-Concat': 'whole' }],
    ['a joining of nothing', { 'Upload-Concat': 'final;' }],
    ['a joining of no upload', { 'Upload-Concat': 'final;/uploads/x' }],
  ])('refuses %s', async (_what, headers) => {
    const metadata = metadataOf({ folder: own.folder.name, path: 'f' });
    const given =
      headers['Upload-Metadata'] === 'folder Zg==' ? metadataOf({ folder: own.folder.name }) : metadata;
    const answer = await tus(own.ada, 'POST', '/uploads', {
      headers: {
        'Upload-Metadata': given,
        ...headers,
        ...(given === metadata ? {} : { 'Upload-Metadata': given }),
      },
    });
    expectProblem(answer, 400, 'request_malformed');
  });

  it.each(['../x', '/x', 'a/../b', 'a//b', '.', 'a\0b', 'x'.repeat(256)])(
    'refuses the path %j',
    async (path) => {
      const answer = await tus(own.ada, 'POST', '/uploads', {
        headers: { 'Upload-Metadata': metadataOf({ folder: own.folder.name, path }), 'Upload-Length': '1' },
      });
      expectProblem(answer, 400, 'path_invalid');
    },
  );

  it('takes bytes only as application/offset+octet-stream, with an offset, and no more than fit', async () => {
    const url = await create(own, 3);
    const asText = { headers: { 'Content-Type': 'text/plain' } };
    expectProblem(await patch(own.ada, url, 0, 'abc', asText), 415, 'media_type_unsupported');
    const packed = { headers: { 'Content-Encoding': 'gzip' } };
    expectProblem(await patch(own.ada, url, 0, 'abc', packed), 415, 'media_type_unsupported');
    expectProblem(await patch(own.ada, url, 0, 'abcd'), 413, 'body_too_large');
    async function* chunks() {
      yield Buffer.from('ab');
      yield Buffer.from('cdef');
    }
    expectProblem(await patch(own.ada, url, 0, chunks()), 413, 'body_too_large');
    expectProblem(
      await patch(own.ada, url, 0, 'abc', { headers: { 'Upload-Offset': 'x' } }),
      400,
      'request_malformed',
    );
    expect(await offsetOf(own.ada, url)).toBe(0);
    expectStatus(await patch(own.ada, url, 0, 'abc'), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abc');
  });

  it('reserves the whole length and refuses what has no room', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 1000 });
    const headers = (length: number) => ({
      'Upload-Metadata': metadataOf({ folder: own.folder.name, path: 'f' }),
      'Upload-Length': String(length),
    });
    expectProblem(await tus(own.ada, 'POST', '/uploads', { headers: headers(1001) }), 413, 'quota_exceeded');
    const url = await create(own, 600);
    expectProblem(await tus(own.ada, 'POST', '/uploads', { headers: headers(600) }), 507, 'quota_exceeded');
    expectStatus(await tus(own.ada, 'DELETE', url), 204);
    await create(own, 600);
  });
}

/** Resumable uploads by tus 1.0.0. */
export function describeResumable(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('by the core protocol', () => describeCore(stage, own));
  describe('refused', () => describeRefusals(stage, own));
  describeTusExtensions(stage, own);

  it('are their maker’s alone, for as long as they may write', async () => {
    const { bob } = people;
    const url = await create(own, 6);
    expectProblem(await patch(bob.client, url, 0, 'abc'), 404, 'not_found');
    await share(own.folder, own.ada, { user: bob, permission: 'rw' });
    expectProblem(await patch(bob.client, url, 0, 'abc'), 404, 'not_found');
    expectStatus(await tus(bob.client, 'HEAD', url), 404);
    expectProblem(await tus(bob.client, 'DELETE', url), 404, 'not_found');
    const headers = {
      'Upload-Metadata': metadataOf({ folder: own.folder.name, path: 'of bob' }),
      'Upload-Length': '3',
    };
    const made = await tus(bob.client, 'POST', '/uploads', { headers });
    expectStatus(made, 201);
    const removed = await own.ada.call('PATCH', own.folder.path('members', bob.id), { json: { perm: 'ro' } });
    expectStatus(removed, 200);
    expectProblem(await patch(bob.client, String(made.headers.location), 0, 'abc'), 404, 'not_found');
    expectProblem(await tus(bob.client, 'POST', '/uploads', { headers }), 404, 'not_found');
    expectProblem(await own.ada.call('HEAD', url, { auth: 'none' }).then(withCode), 401, 'auth_required');
  });
}

/** A HEAD has no body to tell the code in. */
function withCode(answer: Answer): Answer {
  return { ...answer, json: { code: 'auth_required' } };
}
