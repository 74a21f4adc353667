import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Answer } from '../support/http-client.ts';
import { exchangeRaw, openSocket } from '../support/raw-socket.ts';
import { basicHeader } from '../support/signature.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, offsetOf, patch, tus } from '../support/tus.ts';
import { createFolder } from '../support/users.ts';
import { create, read } from './begun-uploads.ts';
import { expectProblem, expectStatus } from './rules.ts';
import type { FolderOfAda, Stage } from './stage.ts';

const none = { files: 0, bytes: 0 };

function describeExtensions(stage: Stage, own: FolderOfAda): void {
  it('takes bytes with the creation', async () => {
    const headers = { 'Content-Type': 'application/offset+octet-stream' };
    const url = await create(own, 5, { headers, body: 'hel' });
    expect(await offsetOf(own.ada, url)).toBe(3);
    expectStatus(await patch(own.ada, url, 3, 'lo'), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('hello');
    const whole = await tus(own.ada, 'POST', '/uploads', {
      headers: {
        ...headers,
        'Upload-Metadata': metadataOf({ folder: own.folder.name, filename: 'named' }),
        'Upload-Length': '5',
      },
      body: 'whole',
    });
    expectStatus(whole, 201);
    expect(whole.headers['upload-offset']).toBe('5');
    expect((await read(own.ada, own, 'named')).toString()).toBe('whole');
  });

  it('takes a length that is told later, and only once', async () => {
    const url = await create(own, 'deferred');
    expectStatus(await patch(own.ada, url, 0, 'abc'), 204);
    expect((await tus(own.ada, 'HEAD', url)).headers).toMatchObject({ 'upload-defer-length': '1' });
    const six = { headers: { 'Upload-Length': '6' } };
    expectProblem(
      await patch(own.ada, url, 3, '', { headers: { 'Upload-Length': '2' } }),
      400,
      'upload_length_mismatch',
    );
    expectStatus(await patch(own.ada, url, 3, 'd', six), 204);
    const seven = { headers: { 'Upload-Length': '7' } };
    expectProblem(await patch(own.ada, url, 4, 'ef', seven), 400, 'upload_length_mismatch');
    expectStatus(await patch(own.ada, url, 4, 'ef'), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abcdef');
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: 6, files: 1 },
      reserved: none,
    });
  });

  it('takes a length only with room for it, and leaves it to be told again', async () => {
    const url = await create(own, 'deferred');
    expectStatus(await patch(own.ada, url, 0, 'abc'), 204);
    const much = { headers: { 'Upload-Length': String(2 ** 50) } };
    expectProblem(await patch(own.ada, url, 3, 'def', much), 413, 'quota_exceeded');
    expect((await tus(own.ada, 'HEAD', url)).headers).toMatchObject({ 'upload-defer-length': '1' });
    expectStatus(await patch(own.ada, url, 3, 'def', { headers: { 'Upload-Length': '6' } }), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abcdef');
  });

  it('takes no length from a request that another writer keeps out', async () => {
    const url = await create(own, 'deferred');
    const { keypair } = own.ada;
    if (keypair === undefined) throw new Error('Ada has a keypair.');
    const socket = await openSocket(own.ada.url);
    // What waits with its body is told to go on once it is the writer.
    const isWriter = new Promise((resolve) => socket.once('data', resolve));
    socket.write(
      `PATCH ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basicHeader(keypair)}\r\nTus-Resumable: 1.0.0\r\n` +
        'Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n' +
        'Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
    );
    await isWriter;
    socket.write('8\r\n01234567\r\n');
    let isAnswered = false;
    const told = patch(own.ada, url, 0, '', { headers: { 'Upload-Length': '5' } }).finally(() => {
      isAnswered = true;
    });
    while (!isAnswered) {
      socket.write('1\r\n8\r\n');
      await offsetOf(own.ada, url);
    }
    expectProblem(await told, 423, 'upload_locked');
    socket.end('0\r\n\r\n');
    const offset = await eventually(async () => {
      const known = await offsetOf(own.ada, url);
      expect(known).toBeGreaterThan(8);
      return known;
    });
    expect((await tus(own.ada, 'HEAD', url)).headers).toMatchObject({ 'upload-defer-length': '1' });
    const end = { headers: { 'Upload-Length': String(offset) } };
    expectStatus(await patch(own.ada, url, offset, '', end), 204);
    expect(await read(own.ada, own, 'file.bin')).toHaveLength(offset);
  });

  const digests: Record<string, (bytes: string) => string> = {
    sha1: (bytes) => createHash('sha1').update(bytes).digest('base64'),
    sha256: (bytes) => createHash('sha256').update(bytes).digest('base64'),
    md5: (bytes) => createHash('md5').update(bytes).digest('base64'),
    crc32: (bytes) => {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(crc32(bytes));
      return digest.toString('base64');
    },
  };

  it.each(Object.entries(digests))('keeps bytes whose %s is right, and no others', async (name, digest) => {
    const url = await create(own, 6);
    const sum = (bytes: string) => ({ headers: { 'Upload-Checksum': `${name} ${digest(bytes)}` } });
    expectStatus(await patch(own.ada, url, 0, 'abc', sum('abc')), 204);
    expectProblem(await patch(own.ada, url, 3, 'xyz', sum('def')), 460, 'checksum_mismatch');
    expect(await offsetOf(own.ada, url)).toBe(3);
    expectStatus(await patch(own.ada, url, 3, 'def', sum('def')), 204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abcdef');
  });

  it('refuses checksums it does not know', async () => {
    const url = await create(own, 3);
    for (const header of ['sha512 AAAA', 'sha1', 'sha1 %%%', '']) {
      const answer = await patch(own.ada, url, 0, 'abc', { headers: { 'Upload-Checksum': header } });
      expectProblem(answer, 400, 'request_malformed');
    }
    expect(await offsetOf(own.ada, url)).toBe(0);
  });

  it('takes the checksum from behind the body', async () => {
    const url = await create(own, 3);
    const { keypair } = own.ada;
    if (keypair === undefined) throw new Error('Ada has a keypair.');
    const send = (digest: string) =>
      exchangeRaw(
        own.ada.url,
        `PATCH ${url} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basicHeader(keypair)}\r\nTus-Resumable: 1.0.0\r\n` +
          'Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nTrailer: Upload-Checksum\r\n' +
          `Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nUpload-Checksum: sha1 ${digest}\r\n\r\n`,
      );
    const sha1 = (bytes: string) => createHash('sha1').update(bytes).digest('base64');
    expect((await send(sha1('abd'))).status).toBe(460);
    expect(await offsetOf(own.ada, url)).toBe(0);
    expect((await send(sha1('abc'))).status).toBe(204);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abc');
  });

  it('gives everything back at a termination', async () => {
    const url = await create(own, 1000);
    expectStatus(await patch(own.ada, url, 0, randomBytes(500)), 204);
    expectStatus(await tus(own.ada, 'DELETE', url), 204);
    expect((await readUsage(own.ada, own.folder.name)).reserved).toEqual(none);
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).stage).toEqual(none);
    expectStatus(await tus(own.ada, 'HEAD', url), 410);
    expectProblem(await patch(own.ada, url, 500, 'x'), 410, 'upload_gone');
    expectProblem(await tus(own.ada, 'DELETE', url), 410, 'upload_gone');
  });

  it('forgets a finished upload at its termination, not its file', async () => {
    const url = await create(own, 3);
    expectStatus(await patch(own.ada, url, 0, 'abc'), 204);
    expectStatus(await tus(own.ada, 'DELETE', url), 204);
    expectStatus(await tus(own.ada, 'HEAD', url), 404);
    expect((await read(own.ada, own, 'file.bin')).toString()).toBe('abc');
  });
}

function describeJoining(stage: Stage, own: FolderOfAda): void {
  const partial = { headers: { 'Upload-Concat': 'partial' } };
  const join = (urls: readonly string[], path = 'joined'): Promise<Answer> =>
    tus(own.ada, 'POST', '/uploads', {
      headers: {
        'Upload-Metadata': metadataOf({ folder: own.folder.name, path }),
        'Upload-Concat': `final;${urls.join(' ')}`,
      },
    });

  it('joins parts in the order asked for, once, whatever their sizes', async () => {
    const contents = [randomBytes(70_000), Buffer.alloc(0), randomBytes(1), randomBytes(20_000_000)];
    const urls: string[] = [];
    for (const content of contents) {
      const url = await create(own, content.length, partial);
      expectStatus(await patch(own.ada, url, 0, content), 204);
      urls.push(url);
    }
    expect((await tus(own.ada, 'HEAD', urls[0] ?? '')).headers['upload-concat']).toBe('partial');
    const order = [3, 0, 1, 2];
    const named = order.map((index) => `${own.ada.url}${urls[index]}`);
    const answer = await join(named);
    expectStatus(answer, 201);
    const whole = Buffer.concat(order.map((index) => contents[index] ?? Buffer.alloc(0)));
    expect((await read(own.ada, own, 'joined')).equals(whole)).toBe(true);
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: whole.length, files: 1 },
      reserved: none,
    });
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).stage).toEqual(none);
    const url = String(answer.headers.location);
    expect((await tus(own.ada, 'HEAD', url)).headers).toMatchObject({
      'upload-offset': String(whole.length),
      'upload-length': String(whole.length),
      'upload-concat': `final;${named.join(' ')}`,
    });
    expectProblem(await patch(own.ada, url, whole.length, ''), 403, 'upload_final');
    const again = await join(order.map((index) => urls[index] ?? ''));
    expectStatus(again, 201);
    expect(again.headers.location).toBe(url);
    expectProblem(await join(urls, 'other'), 400, 'request_malformed');
  });

  it('answers a joining that is asked for many times at once with the same upload', async () => {
    const urls = [await create(own, 0, partial), await create(own, 0, partial)];
    const answers = await Promise.all(Array.from({ length: 8 }, () => join(urls)));
    for (const answer of answers) expectStatus(answer, 201);
    expect(new Set(answers.map(({ headers }) => headers.location)).size).toBe(1);
  });

  it('joins parts of no bytes to an empty file', async () => {
    const urls = [await create(own, 0, partial), await create(own, 0, partial)];
    expectStatus(await join(urls), 201);
    expect(await read(own.ada, own, 'joined')).toHaveLength(0);
  });

  it('tells how the parts were named, as it was sent', async () => {
    const [one = '', two = ''] = [await create(own, 0, partial), await create(own, 0, partial)];
    const joined = await join([one, `${own.ada.url}${two}`]);
    const head = await tus(own.ada, 'HEAD', String(joined.headers.location));
    expect(head.headers['upload-concat']).toBe(`final;${one} ${own.ada.url}${two}`);
  });

  it('refuses parts that are unfinished, given up, whole, or elsewhere', async () => {
    const done = await create(own, 1, partial);
    expectStatus(await patch(own.ada, done, 0, 'x'), 204);
    const open = await create(own, 2, partial);
    expectProblem(await join([done, open]), 400, 'upload_unfinished');
    expectProblem(await join([done, await create(own, 2)]), 400, 'request_malformed');
    expectStatus(await tus(own.ada, 'DELETE', open), 204);
    expectProblem(await join([done, open]), 410, 'upload_gone');
    const elsewhere = { ...own, folder: await createFolder(own.ada) };
    expectProblem(await join([done, await create(elsewhere, 0, partial)]), 404, 'not_found');
    expectProblem(await join([done, done]), 400, 'request_malformed');
    expectStatus(await join([done]), 201);
    expect((await read(own.ada, own, 'joined')).toString()).toBe('x');
  });
}

/** What tus leaves to extensions: how uploads begin, end, are checked and joined. */
export function describeTusExtensions(stage: Stage, own: FolderOfAda): void {
  describe('by the extensions', () => describeExtensions(stage, own));
  describe('joined from parts', () => describeJoining(stage, own));
}
