import { randomBytes } from 'node:crypto';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { CallOptions } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { numberAt, textAt } from '../support/json.ts';
import { readTar } from '../support/tar.ts';
import { folderDir } from '../support/tree-usage.ts';
import { upload } from '../support/users.ts';
import { expectProblem, expectStatus, uuid } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

const large = randomBytes(700_000);

/** A folder with files in two levels, one of them large, one empty. */
async function fill(own: FolderOfAda): Promise<void> {
  await upload(own.ada, own.folder, {
    'a.txt': 'hello hello hello',
    'd/b.bin': large,
    'd/e/c': 'cc',
    empty: '',
    'ключ 100%.txt': 'u',
  });
}

const download = (own: FolderOfAda, options: CallOptions) =>
  own.ada.call('GET', own.folder.path('download'), options);

/** Names and contents of a tar, without its directories. */
function filesOf(archive: Buffer): Record<string, string> {
  const files = readTar(archive).filter(({ type }) => type === 'file');
  return Object.fromEntries(files.map(({ name, bytes }) => [name, bytes.toString('base64')]));
}

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');

function describeDownload(stage: Stage, own: FolderOfAda): void {
  it('sends one file gzip-encoded, byte for byte', async () => {
    await fill(own);
    for (const options of [
      { query: { files: 'd/b.bin' } },
      { json: { files: ['d/b.bin'] } },
      { json: { files: 'd/b.bin' } },
    ]) {
      const answer = await download(own, options);
      expectStatus(answer, 200);
      expect(answer.headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(answer.bytes).equals(large)).toBe(true);
      expect(answer.headers['content-disposition']).toBe('attachment; filename="b.bin"');
    }
    const empty = await download(own, { query: { files: 'empty' } });
    expect(gunzipSync(empty.bytes)).toHaveLength(0);
  });

  it('sends it plain to a caller that refuses gzip', async () => {
    await fill(own);
    for (const accept of ['identity', 'gzip;q=0', 'identity, gzip;q=0']) {
      const answer = await download(own, {
        query: { files: 'd/b.bin' },
        headers: { 'Accept-Encoding': accept },
      });
      expectStatus(answer, 200);
      expect(answer.headers['content-encoding']).toBeUndefined();
      expect(answer.bytes.equals(large)).toBe(true);
    }
  });

  it('sends several files, or a directory, as a gzip-encoded tar', async () => {
    await fill(own);
    const several = await download(own, { query: { files: ['a.txt', 'd/e/c', 'ключ 100%.txt'] } });
    expectStatus(several, 200);
    expect(several.headers['content-encoding']).toBe('gzip');
    expect(Object.values(filesOf(gunzipSync(several.bytes))).toSorted()).toEqual(
      [base64('hello hello hello'), base64('cc'), base64('u')].toSorted(),
    );
    const directory = await download(own, { json: { files: ['d'] } });
    const files = filesOf(gunzipSync(directory.bytes));
    expect(Object.values(files).toSorted()).toEqual([base64(large), base64('cc')].toSorted());
    expect(Object.keys(files).every((name) => /(^|\/)(b\.bin|e\/c)$/.test(name))).toBe(true);
  });

  it.each([
    ['one file', { files: 'a.txt' }, {}],
    ['one file as it is', { files: 'a.txt' }, { 'Accept-Encoding': 'identity' }],
    ['several', { files: ['a.txt', 'd'] }, {}],
    ['a zip', { files: ['a.txt', 'd'], format: 'zip' }, {}],
    ['a tar', { files: ['a.txt', 'd'], format: 'tar' }, {}],
    ['parts', { files: ['a.txt', 'd/b.bin'] }, { Accept: 'multipart/mixed' }],
  ])('tells by HEAD how it would send %s, and sends nothing', async (_what, query, headers) => {
    await fill(own);
    const path = own.folder.path('download');
    const get = await own.ada.call('GET', path, { query, headers });
    const head = await own.ada.call('HEAD', path, { query, headers });
    expectStatus(head, 200);
    expect(head.bytes).toHaveLength(0);
    const boundary = /[0-9a-f]{32}$/;
    const told = (answer: typeof get) => ({
      ...Object.fromEntries(
        ['content-disposition', 'content-encoding', 'content-length', 'etag', 'vary'].map((name) => [
          name,
          answer.headers[name],
        ]),
      ),
      'content-type': answer.headers['content-type']?.replace(boundary, ''),
    });
    expect(told(head)).toEqual(told(get));
    expectStatus(await own.ada.call('HEAD', path, { query: { files: 'no' } }), 404);
  });

  it('sends the whole folder for its root', async () => {
    await fill(own);
    for (const root of ['.', '', '/']) {
      const answer = await download(own, { query: { files: root } });
      expectStatus(answer, 200);
      expect(Object.keys(filesOf(gunzipSync(answer.bytes)))).toHaveLength(5);
    }
  });

  it('names paths once, however often and nested they are asked for', async () => {
    await fill(own);
    const answer = await download(own, { json: { files: ['d', 'd/e', 'd/e/c', 'd', 'a.txt', './a.txt'] } });
    expect(Object.keys(filesOf(gunzipSync(answer.bytes))).toSorted()).toHaveLength(3);
  });

  it('picks the container asked for, without an encoding on top', async () => {
    await fill(own);
    const types = { zip: 'application/zip', tar: 'application/x-tar', 'tar.gz': 'application/gzip' };
    for (const [format, type] of Object.entries(types)) {
      const answer = await download(own, { query: { files: ['a.txt', 'd'], format } });
      expectStatus(answer, 200);
      expect(answer.headers['content-type']).toBe(type);
      expect(answer.headers['content-encoding']).toBeUndefined();
      expect(answer.headers['content-disposition']).toContain(`.${format}"`);
      if (format === 'zip') {
        expect(answer.bytes.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004');
        expect(answer.bytes.indexOf('PK\u0005\u0006', answer.bytes.length - 22, 'latin1')).toBeGreaterThan(0);
        expect(answer.bytes.readUInt16LE(answer.bytes.length - 12)).toBeGreaterThanOrEqual(3);
      } else {
        const tar = format === 'tar' ? answer.bytes : gunzipSync(answer.bytes);
        expect(Object.values(filesOf(tar)).toSorted()).toEqual(
          [base64('hello hello hello'), base64(large), base64('cc')].toSorted(),
        );
      }
    }
  });

  it('sends parts to a caller that accepts multipart/mixed', async () => {
    await fill(own);
    const answer = await download(own, {
      query: { files: ['a.txt', 'd/e/c'] },
      headers: { Accept: 'multipart/mixed' },
    });
    expectStatus(answer, 200);
    const [, boundary] =
      /^multipart\/mixed; boundary=(\S+)$/.exec(answer.headers['content-type'] ?? '') ?? [];
    expect(answer.headers['x-total-payloads-length']).toBe('19');
    const parts = answer.text.split(`--${boundary}`).slice(1, -1);
    expect(parts.map((part) => part.split('\r\n\r\n')[1]?.replace(/\r\n$/, ''))).toEqual([
      'hello hello hello',
      'cc',
    ]);
    const directory = await download(own, { query: { files: 'd' }, headers: { Accept: 'multipart/mixed' } });
    expectProblem(directory, 400, 'entry_not_regular');
  });

  it('never sends what a link points to', async () => {
    await fill(own);
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await symlink('/etc/passwd', join(data, 'link'));
    await symlink('/etc', join(data, 'd', 'etc'));
    await mkdir(join(data, 'hollow'));
    const direct = await download(own, { query: { files: 'link' } });
    expect([400, 404]).toContain(direct.status);
    expectProblem(await download(own, { query: { files: 'd/etc/passwd' } }), 404, 'entry_not_found');
    const tree = await download(own, { query: { files: 'd' } });
    expect(gunzipSync(tree.bytes).includes('root:')).toBe(false);
    const hollow = await download(own, { query: { files: 'hollow' } });
    expect(filesOf(gunzipSync(hollow.bytes))).toEqual({});
  });

  it('does not find a missing path, even beside one that is there', async () => {
    await fill(own);
    for (const files of [['missing'], ['a.txt', 'missing'], ['a.txt/x'], ['d/e/c/x']]) {
      expectProblem(await download(own, { json: { files } }), 404, 'entry_not_found');
    }
  });

  it.each([
    {},
    { files: [] },
    { files: null },
    { files: 5 },
    { files: [5] },
    { files: [['a.txt']] },
    { files: ['a.txt'], format: 'rar' },
    { files: ['a.txt'], format: null },
    { files: { a: 'b' } },
    { files: Array.from({ length: 1001 }, (_, number) => `f${number}`) },
  ])('refuses the parameters %#', async (json) => {
    expectProblem(await download(own, { json }), 400, 'request_malformed');
  });

  it.each(['..', '../x', 'a/../../x', 'a\u0000', 'x'.repeat(256), 'a//b'])(
    'refuses the path %j',
    async (path) => {
      expectProblem(await download(own, { json: { files: [path] } }), 400, 'path_invalid');
    },
  );
}

function describeContent(own: FolderOfAda): void {
  it('sends a file with length, validator and range support; HEAD the same without it', async () => {
    await fill(own);
    const path = own.folder.path('files', 'd', 'b.bin');
    const answer = await own.ada.call('GET', path);
    expectStatus(answer, 200);
    expect(answer.bytes.equals(large)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-length': '700000',
      'accept-ranges': 'bytes',
      'content-security-policy': 'sandbox',
      'content-type': 'application/octet-stream',
      etag: expect.stringMatching(/^"[^"]+"$/),
    });
    const head = await own.ada.call('HEAD', path);
    expectStatus(head, 200);
    expect(head.bytes).toHaveLength(0);
    expect(head.headers['content-length']).toBe('700000');
    expect(head.headers.etag).toBe(answer.headers.etag);
  });

  it('honours ranges and conditions', async () => {
    await fill(own);
    const path = own.folder.path('files', 'a.txt');
    const etag = String((await own.ada.call('HEAD', path)).headers.etag);
    const ask = (headers: Record<string, string>) => own.ada.call('GET', path, { headers });
    const part = await ask({ Range: 'bytes=6-10' });
    expectStatus(part, 206);
    expect([part.text, part.headers['content-range']]).toEqual(['hello', 'bytes 6-10/17']);
    expect((await ask({ Range: 'bytes=-5' })).text).toBe('hello');
    expect((await ask({ Range: 'bytes=12-' })).text).toBe('hello');
    expectStatus(await ask({ 'If-None-Match': etag }), 304);
    expectStatus(await ask({ 'If-None-Match': '"other"' }), 200);
    expectProblem(await ask({ 'If-Match': '"other"' }), 412, 'precondition_failed');
    const beyond = await ask({ Range: 'bytes=17-' });
    expectProblem(beyond, 416, 'range_not_satisfiable');
    expect(beyond.headers['content-range']).toBe('bytes */17');
    expectStatus(await ask({ Range: 'bytes=0-4', 'If-Range': '"other"' }), 200);
    expectStatus(await ask({ Range: 'lines=1-2' }), 200);
    await upload(own.ada, own.folder, { 'a.txt': 'changed' });
    expectStatus(await ask({ 'If-None-Match': etag }), 200);
  });

  it('finds no directory, no missing file, and refuses paths out', async () => {
    await fill(own);
    expectProblem(await own.ada.call('GET', own.folder.path('files', 'missing')), 404, 'entry_not_found');
    const directory = await own.ada.call('GET', own.folder.path('files', 'd'));
    expect([400, 404]).toContain(directory.status);
    for (const path of ['..', '%2e%2e', 'd/../a.txt', 'd/%2e%2e/a.txt', '%2e%2e%2fout', 'a%00b', 'd//e']) {
      const answer = await own.ada.call('GET', `${own.folder.path('files')}/${path}`);
      expect(answer.status, path).toBe(400);
    }
  });
}

function describeArchives(own: FolderOfAda): void {
  const request = (json: unknown, headers: Record<string, string> = {}) =>
    own.ada.call('POST', own.folder.path('archives'), { json, headers });

  it.each(['zip', 'tar', 'tar.gz'])('builds a %s by a job and serves it with ranges', async (format) => {
    await fill(own);
    const answer = await request({ files: ['a.txt', 'd'], format });
    expectStatus(answer, 202);
    const id = jobIdIn(answer.headers);
    expect(answer.json).toEqual({ id, job: `/jobs/${id}` });
    const job = await awaitJob(own.ada, id);
    expect(job).toMatchObject({ kind: 'archive.build', state: 'succeeded' });
    const size = numberAt(job.body, 'result', 'size');
    const whole = await own.ada.call('GET', `/archives/${id}`);
    expectStatus(whole, 200);
    expect(whole.bytes).toHaveLength(size);
    expect(whole.headers['content-length']).toBe(String(size));
    const head = await own.ada.call('HEAD', `/archives/${id}`);
    expect(head.headers.etag).toBe(whole.headers.etag);
    const part = await own.ada.call('GET', `/archives/${id}`, { headers: { Range: 'bytes=10-19' } });
    expectStatus(part, 206);
    expect(part.bytes.equals(whole.bytes.subarray(10, 20))).toBe(true);
    if (format !== 'zip') {
      const tar = format === 'tar' ? whole.bytes : gunzipSync(whole.bytes);
      expect(Object.values(filesOf(tar))).toHaveLength(3);
    }
  });

  it('answers 201 when it may wait for the end', async () => {
    await fill(own);
    const answer = await request({ files: ['a.txt'], name: 'mine.zip' }, { Prefer: 'wait=30' });
    expectStatus(answer, 201);
    expect(answer.json).toMatchObject({ id: uuid, result: { size: expect.any(Number) } });
    const archive = await own.ada.call('GET', String(answer.headers.location));
    expect(archive.headers['content-disposition']).toBe('attachment; filename="mine.zip"');
    expect(`/archives/${textAt(answer.json, 'id')}`).toBe(answer.headers.location);
    expectStatus(await own.ada.call('DELETE', String(answer.headers.location)), 204);
    expectProblem(await own.ada.call('GET', String(answer.headers.location)), 404, 'not_found');
  });

  it('refuses malformed requests and finds no missing files', async () => {
    for (const json of [
      {},
      { files: [] },
      { files: ['a'], format: 'rar' },
      { files: ['a'], name: 'a/b' },
      { files: ['a'], name: '' },
    ]) {
      expectProblem(await request(json), 400, 'request_malformed');
    }
    expectProblem(await request({ files: ['missing'] }), 404, 'entry_not_found');
    expectProblem(await request({ files: ['../x'] }), 400, 'path_invalid');
  });

  it('shows an archive to nobody else, and none that is not there', async () => {
    for (const id of ['00000000-0000-7000-8000-000000000000', 'nonsense', '..%2f']) {
      const answer = await own.ada.call('GET', `/archives/${id}`);
      expect([400, 404]).toContain(answer.status);
    }
  });
}

/** Download files and trees, read single files, build archives. */
export function describeDownloads(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('download', () => describeDownload(stage, own));
  describe('content', () => describeContent(own));
  describe('archives', () => describeArchives(own));

  it('serves an archive to its maker only, and no longer than they may read the folder', async () => {
    const { ada, bob } = people;
    await fill(own);
    const answer = await ada.client.call('POST', own.folder.path('archives'), {
      json: { files: ['a.txt'] },
      headers: { Prefer: 'wait=30' },
    });
    const path = String(answer.headers.location);
    expectStatus(await ada.client.call('GET', path), 200);
    expectProblem(await bob.client.call('GET', path), 404, 'not_found');
    expectProblem(await bob.client.call('DELETE', path), 404, 'not_found');
    expectStatus(await ada.client.call('DELETE', own.folder.path()), 204);
    expectProblem(await ada.client.call('GET', path), 404, 'not_found');
  });
}
