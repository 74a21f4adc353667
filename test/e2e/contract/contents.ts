import { createHash } from 'node:crypto';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { CallOptions } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { at, textAt, textsAt } from '../support/json.ts';
import { exchangeRaw } from '../support/raw-socket.ts';
import { basicHeader } from '../support/signature.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { upload } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type People, type Stage, useFolder, usePeople } from './stage.ts';

const sha256 = (content: string) => createHash('sha256').update(content).digest();

interface Desk {
  readonly own: FolderOfAda;
  put(path: string, content: string, options?: CallOptions): ReturnType<FolderOfAda['ada']['call']>;
  read(path: string): Promise<string>;
  names(path?: string): Promise<string[]>;
}

function deskOf(own: FolderOfAda): Desk {
  const pathOf = (path: string) => own.folder.path('files', ...path.split('/'));
  return {
    own,
    put: (path, content, options = {}) => own.ada.call('PUT', pathOf(path), { body: content, ...options }),
    read: async (path) => (await own.ada.call('GET', pathOf(path))).text,
    names: async (path = '') => {
      const answer = await own.ada.call('GET', own.folder.path('files'), { query: { path } });
      return textsAt(answer.json, 'name', 'items');
    },
  };
}

function describePut(stage: Stage, { own, put, read, names }: Desk): void {
  it('stores a body as a file, with parents, and replaces it', async () => {
    const made = await put('d/e/a.txt', 'one');
    expectStatus(made, 201);
    expect(made.json).toEqual({
      path: 'd/e/a.txt',
      size: 3,
      sha256: sha256('one').toString('hex'),
      etag: made.headers.etag,
    });
    const head = await own.ada.call('HEAD', own.folder.path('files', 'd', 'e', 'a.txt'));
    expect(head.headers.etag).toBe(made.headers.etag);
    const replaced = await put('d/e/a.txt', 'second');
    expectStatus(replaced, 200);
    expect(replaced.headers.etag).not.toBe(made.headers.etag);
    expect(await read('d/e/a.txt')).toBe('second');
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: 6, files: 1 },
      reserved: { bytes: 0, files: 0 },
    });
  });

  it('stores an empty body, a large one, and one without a length', async () => {
    expectStatus(await put('empty', ''), 201);
    const large = 'x'.repeat(3 * 1024 ** 2);
    expectStatus(await put('large', large), 201);
    async function* chunks() {
      yield Buffer.from('one ');
      yield Buffer.from('two');
    }
    expectStatus(await own.ada.call('PUT', own.folder.path('files', 'chunked'), { body: chunks() }), 201);
    expect([await read('empty'), await read('chunked')]).toEqual(['', 'one two']);
    expect(await read('large')).toBe(large);
  });

  it('keeps If-Match and If-None-Match when the file is put in place', async () => {
    const first = textAt((await put('a', '1')).json, 'etag');
    expectProblem(await put('a', '2', { headers: { 'If-None-Match': '*' } }), 412, 'precondition_failed');
    expectProblem(await put('a', '2', { headers: { 'If-Match': '"other"' } }), 412, 'precondition_failed');
    expectProblem(await put('b', '2', { headers: { 'If-Match': '*' } }), 412, 'precondition_failed');
    expectStatus(await put('a', '2', { headers: { 'If-Match': `"x", ${first}` } }), 200);
    expectProblem(await put('a', '3', { headers: { 'If-Match': first } }), 412, 'precondition_failed');
    expectStatus(await put('b', '2', { headers: { 'If-None-Match': '*' } }), 201);
    expect(await read('a')).toBe('2');
  });

  it('lets exactly one of many concurrent writes through that name the same state', async () => {
    const created = await Promise.all(
      Array.from({ length: 8 }, (_, number) => put('a', `${number}`, { headers: { 'If-None-Match': '*' } })),
    );
    expect(created.map(({ status }) => status).toSorted()).toEqual([201, ...Array(7).fill(412)]);
    const etag = created.find(({ status }) => status === 201)?.headers.etag ?? '';
    const changed = await Promise.all(
      Array.from({ length: 8 }, (_, number) => put('a', `new ${number}`, { headers: { 'If-Match': etag } })),
    );
    expect(changed.map(({ status }) => status).toSorted()).toEqual([200, ...Array(7).fill(412)]);
    const usage = await readUsage(own.ada, own.folder.name);
    expect(usage).toMatchObject({ live: { files: 1 }, reserved: { bytes: 0, files: 0 } });
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).stage).toEqual({ bytes: 0, files: 0 });
  });

  it('fails for a name that is taken, or takes another one, as asked', async () => {
    expectStatus(await put('a.txt', '1'), 201);
    const taken = await put('a.txt', '2', { query: { if_exists: 'fail' } });
    expectProblem(taken, 412, 'precondition_failed');
    const answers = await Promise.all(
      [1, 2, 3].map(() => put('a.txt', 'x', { query: { if_exists: 'rename' } })),
    );
    expect(answers.map(({ json }) => textAt(json, 'path')).toSorted()).toEqual([
      'a (2).txt',
      'a (3).txt',
      'a (4).txt',
    ]);
    expect(await read('a.txt')).toBe('1');
    expectStatus(await put('new', 'x', { query: { if_exists: 'rename' } }), 201);
    expectProblem(await put('a.txt', '2', { query: { if_exists: 'merge' } }), 400, 'request_malformed');
  });

  it('stores only what has the promised digest', async () => {
    const digest = (content: string) => `sha-256=:${sha256(content).toString('base64')}:`;
    for (const name of ['Repr-Digest', 'Content-Digest']) {
      expectStatus(
        await put('a', 'one', { headers: { [name]: digest('one') } }),
        name === 'Repr-Digest' ? 201 : 200,
      );
      expectProblem(await put('a', 'two', { headers: { [name]: digest('one') } }), 400, 'digest_mismatch');
      expectProblem(await put('a', 'two', { headers: { [name]: 'sha-256=abc' } }), 400, 'request_malformed');
    }
    expectStatus(await put('a', 'one', { headers: { 'Repr-Digest': `md5=:AAAA:, ${digest('one')}` } }), 200);
    expect(await read('a')).toBe('one');
    expect((await readUsage(own.ada, own.folder.name)).reserved).toEqual({ bytes: 0, files: 0 });
  });

  it('refuses what is no regular file, a part of a file, an encoded body and a bad path', async () => {
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await mkdir(join(data, 'd'));
    await symlink('/etc', join(data, 'link'));
    expectProblem(await put('d', '1'), 400, 'entry_conflict');
    expectProblem(await put('link', '1'), 400, 'entry_conflict');
    expectProblem(await put('link/passwd', '1'), 400, 'entry_conflict');
    const range = { 'Content-Range': 'bytes 0-0/5' };
    expectProblem(await put('a', '1', { headers: range }), 400, 'request_malformed');
    expectProblem(
      await put('a', '1', { headers: { 'Content-Encoding': 'gzip' } }),
      415,
      'media_type_unsupported',
    );
    for (const path of ['a\nb', '.snapshot', 'x'.repeat(256)])
      expectProblem(await put(path, '1'), 400, 'path_invalid');
    expect(await names()).toEqual(['d', 'link']);
  });

  it('refuses at once what can never fit, and a chunked body when it is over', async () => {
    const head = [
      `PUT ${own.folder.path('files', 'a')} HTTP/1.1`,
      `Host: ${new URL(stage.service.url).host}`,
      `Authorization: ${basicHeader(own.ada.keypair ?? { accessKey: '', secretKey: '' })}`,
      `Content-Length: ${2 ** 31}`,
      'Connection: close',
      '\r\n',
    ].join('\r\n');
    const answer = await exchangeRaw(stage.service.url, head);
    expect(answer.status).toBe(413);
    expect(await names()).toEqual([]);
  });

  it('answers 202 with the job when asked to', async () => {
    const answer = await put('a', '1', { headers: { Prefer: 'respond-async' } });
    expectStatus(answer, 202);
    expect(await awaitJob(own.ada, jobIdIn(answer.headers))).toMatchObject({ state: 'succeeded' });
    expect(await read('a')).toBe('1');
  });
}

function describeDelete({ own, put, names }: Desk, people: People): void {
  const remove = (path: string, options: CallOptions = {}) =>
    own.ada.call('DELETE', own.folder.path('files', ...path.split('/')), options);

  it('deletes a file, and a directory when told to', async () => {
    await upload(own.ada, own.folder, { a: '1', 'd/b': '2' });
    expectStatus(await remove('a'), 204);
    expectProblem(await remove('d'), 400, 'directory_not_recursive');
    expectStatus(await remove('d', { query: { recursive: 'true' } }), 204);
    expect(await names()).toEqual([]);
    await eventually(async () => {
      const usage = await readUsage(own.ada, own.folder.name);
      expect([usage.live, usage.trash]).toEqual([
        { bytes: 0, files: 0 },
        { bytes: 0, files: 0 },
      ]);
    });
  });

  it('deletes only what is in the state that the request names', async () => {
    const etag = textAt((await put('a', '1')).json, 'etag');
    const past = 'Thu, 01 Jan 1970 00:00:00 GMT';
    for (const headers of [
      { 'If-Match': '"other"' },
      { 'If-Match': `W/${etag}` },
      { 'If-None-Match': etag },
      { 'If-None-Match': '*' },
      { 'If-Unmodified-Since': past },
    ]) {
      expectProblem(await remove('a', { headers }), 412, 'precondition_failed');
    }
    expectProblem(await remove('b', { headers: { 'If-Match': '*' } }), 404, 'entry_not_found');
    const named = { 'Idempotency-Key': 'delete-a', 'If-Match': etag };
    expectStatus(await remove('a', { headers: named }), 204);
    expectStatus(await remove('a', { headers: named }), 204);
    const other = { ...named, 'If-Match': '"other"' };
    expectProblem(await remove('a', { headers: other }), 422, 'idempotency_key_reused');
    expect(await names()).toEqual([]);
  });

  it('finds nothing to delete, and nothing for who may not', async () => {
    expectStatus(await put('a', '1'), 201);
    expectProblem(await remove('missing'), 404, 'entry_not_found');
    const path = own.folder.path('files', 'a');
    expectProblem(await people.bob.client.call('DELETE', path), 404, 'not_found');
    expectProblem(await people.bob.client.call('PUT', path, { body: 'x' }), 404, 'not_found');
    const job = await remove('a', { headers: { Prefer: 'respond-async' } });
    expectStatus(job, 202);
    expect(at(job.json, 'id')).toBe(jobIdIn(job.headers));
    expect(await names()).toEqual([]);
  });
}

/** Write and delete one file by its path. */
export function describeContents(stage: Stage): void {
  const people = usePeople(stage);
  const desk = deskOf(useFolder(people));
  describe('PUT', () => describePut(stage, desk));
  describe('DELETE', () => describeDelete(desk, people));
}
