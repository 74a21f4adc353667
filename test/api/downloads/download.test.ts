import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashSessionToken } from '../../../api/auth/session.ts';
import { deleteSession, insertSession } from '../../../db/queries/sessions.ts';
import { members } from '../../../db/schema/members.ts';
import { countOpenEntries } from '../../storage/archive/archive-fixture.ts';
import { readTar } from '../../storage/archive/read-tar.ts';
import { readZip } from '../../storage/archive/read-zip.ts';
import { eventually } from '../../support/eventually.ts';
import { insertTestMember } from '../../support/factories.ts';
import {
  type DownloadService,
  type RawAnswer,
  type Reader,
  startDownloadService,
  type TestFolder,
  untilClosed,
} from './download-service.ts';

let service: DownloadService;
let owner: Reader;
let folder: TestFolder;
const big = randomBytes(3_000_000);

beforeAll(async () => {
  service = await startDownloadService();
  owner = await service.signUp();
  folder = await service.createFolder(owner, 'My Data');
  await folder.write('hello.txt', 'Hello, world\n');
  await folder.write('empty', '');
  await folder.write('sub/größe & 100%.bin', big);
  await folder.write('sub/deep/x', 'x');
  await mkdir(join(folder.data, 'void'));
  await symlink('/etc/passwd', join(folder.data, 'link'));
  execFileSync('mkfifo', [join(folder.data, 'fifo')]);
});

afterAll(() => service.close());

function path(...files: string[]): string {
  return `/folders/My%20Data/download?${files.map((file) => `files=${encodeURIComponent(file)}`).join('&')}`;
}

function expectSafeHeaders({ headers }: RawAnswer): void {
  expect(headers['content-disposition']).toMatch(/^attachment; filename="/);
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['content-security-policy']).toBe('sandbox');
  expect(headers['cache-control']).toMatch(/private/);
}

describe('GET /folders/:name/download', () => {
  it('answers one file with its bytes, gzip-encoded', async () => {
    const answer = await owner.get(path('sub/größe & 100%.bin'));
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect(gunzipSync(answer.body).equals(big)).toBe(true);
    expectSafeHeaders(answer);
    expect(decodeURIComponent(answer.headers['content-disposition']?.split("UTF-8''")[1] ?? '')).toBe(
      'größe & 100%.bin',
    );
  });

  it('answers an empty file', async () => {
    const answer = await owner.get(path('empty'));
    expect(answer.status).toBe(200);
    expect(gunzipSync(answer.body)).toHaveLength(0);
  });

  it('reads the files from a JSON body on GET', async () => {
    const answer = await owner.send('GET', '/folders/My%20Data/download', { body: { files: ['hello.txt'] } });
    expect(gunzipSync(answer.body).toString()).toBe('Hello, world\n');
  });

  it('answers several files, and a directory, with a tar', async () => {
    const two = await owner.get(path('hello.txt', 'sub/deep/x'));
    expect(two.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/x-tar' });
    expect(readTar(gunzipSync(two.body)).map(({ name }) => name)).toEqual(['hello.txt', 'sub/deep/x']);
    expect(two.headers['content-disposition']).toContain('"My Data.tar"');
    const directory = await owner.get(path('sub'));
    const entries = readTar(gunzipSync(directory.body));
    expect(entries.map(({ name }) => name)).toEqual([
      'sub',
      'sub/deep',
      'sub/deep/x',
      'sub/größe & 100%.bin',
    ]);
    expect(entries.at(-1)?.content.equals(big)).toBe(true);
    expect(readTar(gunzipSync((await owner.get(path('void'))).body)).map(({ name }) => name)).toEqual([
      'void',
    ]);
    expectSafeHeaders(directory);
  });

  it('answers the whole folder, once, and says what it left out', async () => {
    const answer = await owner.get(path('.', 'hello.txt'));
    const names = readTar(gunzipSync(answer.body)).map(({ name }) => name);
    expect(names.filter((name) => name === 'hello.txt')).toHaveLength(1);
    expect(names.at(-1)).toBe('VFOLDER-SKIPPED.txt');
    expect(names).not.toContain('link');
  });

  it('picks another container without a gzip encoding on top', async () => {
    const zip = await owner.get(`${path('sub')}&format=zip`);
    expect(zip.headers['content-encoding']).toBeUndefined();
    expect(zip.headers).toMatchObject({ 'content-type': 'application/zip' });
    expect(zip.headers['content-disposition']).toContain('"sub.zip"');
    expect(readZip(zip.body)).toHaveLength(4);
    const tar = await owner.get(`${path('hello.txt')}&format=tar`);
    expect(readTar(tar.body)).toHaveLength(1);
    const compressed = await owner.get(`${path('hello.txt')}&format=tar.gz`);
    expect(compressed.headers['content-encoding']).toBeUndefined();
    expect(readTar(gunzipSync(compressed.body))).toHaveLength(1);
  });

  it('leaves gzip away for a caller that rules it out', async () => {
    const one = await owner.get(path('sub/größe & 100%.bin'), { 'accept-encoding': 'identity' });
    expect(one.headers['content-encoding']).toBeUndefined();
    expect(one.headers).toMatchObject({ 'content-length': String(big.length), vary: 'Accept-Encoding' });
    expect(one.body.equals(big)).toBe(true);
    const several = await owner.get(path('hello.txt', 'sub'), { 'accept-encoding': 'identity' });
    expect(readTar(several.body)).toHaveLength(5);
  });

  it('sends parts to a caller that accepts multipart/mixed', async () => {
    const answer = await owner.get(path('hello.txt', 'sub/größe & 100%.bin', 'empty'), {
      accept: 'multipart/mixed',
    });
    const boundary = /^multipart\/mixed; boundary=([0-9a-f]{32})$/.exec(
      answer.headers['content-type'] ?? '',
    )?.[1];
    expect(answer.headers['x-total-payloads-length']).toBe(String(13 + big.length));
    const parts = answer.body.toString('latin1').split(`--${boundary}`);
    expect(parts).toHaveLength(5);
    expect(parts.at(-1)).toBe('--\r\n');
    const [head = '', content] = (parts[2] ?? '')
      .split('\r\n\r\n', 1)
      .concat((parts[2] ?? '').replace(/^[\s\S]*?\r\n\r\n/, ''));
    expect(head).toContain('Content-Type: application/octet-stream');
    expect(head).toContain('Content-Encoding: identity');
    expect(head).toContain("filename*=UTF-8''gr%C3%B6%C3%9Fe");
    expect(Buffer.from(content?.slice(0, -2) ?? '', 'latin1').equals(big)).toBe(true);
    expect((await owner.get(path('sub'), { accept: 'multipart/mixed' })).status).toBe(400);
  });

  it('refuses before the first byte', async () => {
    const cases: [string, number][] = [
      [path('missing'), 404],
      [path('hello.txt', 'missing'), 404],
      [path('hello.txt/below'), 404],
      [path('link'), 400],
      [path('fifo'), 400],
      [path('hello.txt', 'link'), 400],
      [path('link/etc'), 404],
      [path('../secret'), 400],
      [path('a//b'), 400],
      [path('nul\0'), 400],
      ['/folders/My%20Data/download', 400],
      [`${path('hello.txt')}&format=rar`, 400],
      ['/folders/Other/download?files=hello.txt', 404],
    ];
    for (const [target, status] of cases) expect((await owner.get(target)).status, target).toBe(status);
    expect((await owner.send('GET', '/folders/My%20Data/download', { body: { files: [] } })).status).toBe(
      400,
    );
    const many = { files: Array.from({ length: 1001 }, () => 'hello.txt') };
    expect((await owner.send('GET', '/folders/My%20Data/download', { body: many })).status).toBe(400);
  });

  it('answers a stranger as if the folder did not exist', async () => {
    const stranger = await service.signUp();
    const foreign = await stranger.get(path('hello.txt'));
    const missing = await stranger.get(path('hello.txt').replace('My%20Data', folder.id));
    expect([foreign.status, missing.status]).toEqual([404, 404]);
  });

  it('cuts the connection when a file cannot be sent whole', async () => {
    await folder.write('shrinking', randomBytes(8_000_000));
    const response = await owner.open(path('shrinking'));
    expect(response.statusCode).toBe(200);
    await truncate(join(folder.data, 'shrinking'), 1000);
    response.on('error', () => undefined).resume();
    await untilClosed(response);
    expect(response.complete).toBe(false);
  });

  it('closes every file when the reader leaves in the middle', async () => {
    for (const query of [path('sub'), path('sub/größe & 100%.bin'), `${path('sub')}&format=zip`]) {
      const response = await owner.open(query);
      response.on('error', () => undefined);
      await once(response, 'data');
      response.destroy();
    }
    await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
  });

  it.each(['/folders/My%20Data/download?files=long', '/folders/My%20Data/files/long'])(
    'cuts what is sent to a browser soon after it has signed out: %s',
    async (url) => {
      await folder.write('long', randomBytes(40_000_000));
      const { db } = service.database;
      const token = randomBytes(32).toString('base64url');
      const tokenHash = hashSessionToken(token);
      await insertSession(db, { tokenHash, accessKey: owner.accessKey, hours: 1 });
      const response = await owner.open(url, `vfolder_session=${token}`);
      expect(response.statusCode).toBe(200);
      await once(response, 'data');
      response.pause();
      await deleteSession(db, tokenHash);
      await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
      response.resume();
      await untilClosed(response);
      expect(response.complete).toBe(false);
    },
  );

  it('cuts a running stream soon after the right to read is taken away', async () => {
    const guest = await service.signUp();
    await insertTestMember(service.database.db, {
      folderId: folder.id,
      userId: guest.userId,
      name: 'shared',
      permission: 'ro',
    });
    await folder.write('huge', randomBytes(40_000_000));
    const response = await guest.open('/folders/shared/download?files=huge');
    response.on('error', () => undefined);
    await once(response, 'data');
    response.pause();
    await service.database.db
      .delete(members)
      .where(and(eq(members.folderId, folder.id), eq(members.userId, guest.userId)));
    const startedAt = performance.now();
    await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    response.resume();
    await untilClosed(response);
    expect(response.complete).toBe(false);
  });
});
