import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countOpenEntries } from '../../storage/archive/archive-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type DownloadService,
  type Reader,
  startDownloadService,
  type TestFolder,
  untilClosed,
} from './download-service.ts';

let service: DownloadService;
let owner: Reader;
let folder: TestFolder;
const content = randomBytes(1_000_000);
const url = '/folders/data/files/dir/f%C3%BCr%20%2B%25.html';

beforeAll(async () => {
  service = await startDownloadService();
  owner = await service.signUp();
  folder = await service.createFolder(owner, 'data');
  await folder.write('dir/für +%.html', content);
  await folder.write('empty', '');
});

afterAll(async () => {
  await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
  await service.close();
});

describe('GET /folders/:name/files/*path', () => {
  it('answers the bytes with exact length, strong tag and safe headers', async () => {
    const answer = await owner.get(url);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.equals(content)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-length': '1000000',
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
      'cache-control': 'private, no-cache',
    });
    expect(answer.headers.etag).toMatch(/^"\d+-1000000-\d+"$/);
    expect(answer.headers['content-disposition']).toContain("filename*=UTF-8''f%C3%BCr%20+%25.html");
  });

  it('answers HEAD with the same headers and no body', async () => {
    const [head, get] = [await owner.send('HEAD', url), await owner.get(url)];
    expect(head).toMatchObject({ status: 200, isWhole: true });
    expect(head.body).toHaveLength(0);
    for (const name of ['etag', 'content-length', 'last-modified', 'content-disposition']) {
      expect(head.headers[name]).toBe(get.headers[name]);
    }
  });

  it.each([
    ['bytes=0-99', 0, 100],
    ['bytes=999999-', 999_999, 1_000_000],
    ['bytes=-100', 999_900, 1_000_000],
    ['bytes=100-9999999', 100, 1_000_000],
    ['bytes=300000-800000', 300_000, 800_001],
  ])('answers the range %s with 206', async (range, start, end) => {
    const answer = await owner.get(url, { range });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end - 1}/1000000`);
    expect(answer.headers['content-length']).toBe(String(end - start));
    expect(answer.body.equals(content.subarray(start, end))).toBe(true);
  });

  it('answers 416 with the size, 412, 304 and the whole as the conditions say', async () => {
    const { etag = '' } = (await owner.get(url)).headers;
    const outside = await owner.get(url, { range: 'bytes=1000000-' });
    expect(outside.status).toBe(416);
    expect(outside.headers['content-range']).toBe('bytes */1000000');
    expect(JSON.parse(outside.body.toString())).toMatchObject({ code: 'range_not_satisfiable', status: 416 });
    expect((await owner.get(url, { 'if-match': '"other"' })).status).toBe(412);
    const unchanged = await owner.get(url, { 'if-none-match': etag });
    expect(unchanged.status).toBe(304);
    expect(unchanged.headers.etag).toBe(etag);
    expect(unchanged.body).toHaveLength(0);
    expect((await owner.get(url, { range: 'bytes=0-1', 'if-range': '"other"' })).status).toBe(200);
    expect((await owner.get(url, { range: 'bytes=0-1', 'if-range': etag })).status).toBe(206);
    expect((await owner.get(url, { range: 'bytes=0-1,5-6' })).status).toBe(200);
  });

  it('changes the tag with the content, so that a resumed download starts over', async () => {
    await folder.write('changing', 'first');
    const first = await owner.get('/folders/data/files/changing');
    await writeFile(join(folder.data, 'changing'), 'other');
    const resumed = await owner.get('/folders/data/files/changing', {
      range: 'bytes=2-',
      'if-range': first.headers.etag ?? '',
    });
    expect(resumed.status).toBe(200);
    expect(resumed.body.toString()).toBe('other');
  });

  it('answers an empty file, and no range of it', async () => {
    const answer = await owner.get('/folders/data/files/empty');
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.headers['content-length']).toBe('0');
    expect((await owner.get('/folders/data/files/empty', { range: 'bytes=0-' })).status).toBe(416);
  });

  it('refuses directories, missing paths and strangers', async () => {
    expect((await owner.get('/folders/data/files/dir')).status).toBe(400);
    expect((await owner.get('/folders/data/files/dir/none')).status).toBe(404);
    expect((await owner.get('/folders/data/files/empty/none')).status).toBe(404);
    expect((await owner.get('/folders/data/files/a%2F..%2Fempty')).status).toBe(400);
    const stranger = await service.signUp();
    expect((await stranger.get(url)).status).toBe(404);
  });

  it('cuts the connection when the file becomes shorter than promised', async () => {
    await folder.write('shrinking', randomBytes(30_000_000));
    const response = await owner.open('/folders/data/files/shrinking');
    response.on('error', () => undefined);
    await once(response, 'data');
    response.pause();
    await truncate(join(folder.data, 'shrinking'), 1000);
    response.resume();
    await untilClosed(response);
    expect(response.complete).toBe(false);
  });

  it('goes on with the old content when the entry is replaced meanwhile', async () => {
    const old = randomBytes(20_000_000);
    await folder.write('replaced', old);
    const response = await owner.open('/folders/data/files/replaced');
    const chunks: Buffer[] = [];
    await folder.write('newer', 'new');
    await rename(join(folder.data, 'newer'), join(folder.data, 'replaced'));
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    await untilClosed(response);
    expect(response.complete).toBe(true);
    expect(Buffer.concat(chunks).equals(old)).toBe(true);
  });
});
