import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { and, eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fileDigests } from '../../../db/schema/file-digests.ts';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import { readZip } from '../../storage/archive/read-zip.ts';
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
let contents: Map<string, Buffer>;

/** Writes a file, and notes its checksum as the commit of an upload does. */
async function put(path: string, content: Buffer): Promise<void> {
  await folder.write(path, content);
  const found = await service.volume.stat(folder.id, parseEntryPath(path, 'read'));
  if (found === null) throw new Error('It was just written.');
  const { inode, version } = found;
  const row = { folderId: folder.id, inode, version, crc32: crc32(content) };
  await service.database.db
    .insert(fileDigests)
    .values(row)
    .onConflictDoUpdate({
      target: [fileDigests.folderId, fileDigests.inode],
      set: row,
    });
}

/** What was logged above `info` of requests, once the last one has ended. */
async function warnings() {
  await eventually(() => expect(service.logged.at(-1)?.event).toBe('request.end'));
  return service.logged.filter(({ level }) => level !== 'info');
}

/** What is said of content that changed while it was sent: its own event, no alarm, and no stack. */
const changedLine = {
  level: 'warn',
  event: 'entry.changed',
  fields: { request_id: expect.any(String), code: 'entry_changed' },
};

async function linkInstead(path: string): Promise<void> {
  await rm(join(folder.data, path));
  await symlink('small', join(folder.data, path));
}

function url(files = 'tree'): string {
  return `/folders/${folder.name}/download?format=zip&files=${files}`;
}

beforeAll(async () => {
  service = await startDownloadService();
  owner = await service.signUp();
});

afterAll(() => service.close());

beforeEach(async () => {
  service.logged.length = 0;
  folder = await service.createFolder(owner);
  contents = new Map([
    ['tree/empty', Buffer.alloc(0)],
    ['tree/small', Buffer.from('small')],
    ['tree/größe/naïve.txt', randomBytes(5000)],
    ['tree/large', randomBytes(1_500_000)],
    ['tree/zlast', randomBytes(300_000)],
  ]);
  for (let index = 0; index < 90; index += 1) contents.set(`tree/many/${index}`, randomBytes(index * 20));
  for (const [path, content] of contents) await put(path, content);
  await mkdir(join(folder.data, 'tree', 'nothing'));
});

describe('a zip of files whose checksums are known', () => {
  it('has an exact length and a strong ETag, and every byte of every file', async () => {
    const answer = await owner.get(url());
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    expect(answer.headers.etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect(answer.headers['accept-ranges']).toBe('bytes');
    const files = readZip(answer.body).filter(({ type }) => type === 'file');
    expect(new Map(files.map(({ name, content }) => [name, content.toString('hex')]))).toEqual(
      new Map([...contents].map(([name, content]) => [name, content.toString('hex')])),
    );
    expect(readZip(answer.body).map(({ name }) => name)).toContain('tree/nothing');
    execFileSync(
      'python3',
      [
        '-c',
        'import sys, io, zipfile; assert zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).testzip() is None',
      ],
      { input: answer.body },
    );
  });

  it('answers every part as it is in the whole', async () => {
    const { body, headers } = await owner.get(url());
    const etag = headers.etag ?? '';
    const at = fc.integer({ min: 0, max: body.length - 1 });
    const ends = [0, 1, 29, 30, body.length - 1, body.length - 22, body.length - 10_000, 1_400_000];
    const spot = fc.oneof(at, fc.constantFrom(...ends));
    await fc.assert(
      fc.asyncProperty(spot, spot, async (one, other) => {
        const [start, end] = one < other ? [one, other] : [other, one];
        const part = await owner.get(url(), { range: `bytes=${start}-${end}`, 'if-range': etag });
        expect(part.status).toBe(206);
        expect(part.headers['content-range']).toBe(`bytes ${start}-${end}/${body.length}`);
        expect(part.body.equals(body.subarray(start, end + 1))).toBe(true);
      }),
      { numRuns: 25 },
    );
    const tail = await owner.get(url(), { range: 'bytes=-100' });
    expect(tail.body.equals(body.subarray(-100))).toBe(true);
    expect((await owner.get(url(), { range: `bytes=${body.length}-` })).status).toBe(416);
    expect((await owner.get(url(), { 'if-none-match': etag })).status).toBe(304);
  });

  it('is another one as soon as a file is another one, and a part of the old one is not mixed with it', async () => {
    const before = await owner.get(url());
    await put('tree/small', Buffer.from('SMALL'));
    const after = await owner.get(url(), { range: 'bytes=10-19', 'if-range': before.headers.etag ?? '' });
    expect(after.status).toBe(200);
    expect(after.headers.etag).not.toBe(before.headers.etag);
  });

  it('keeps its bytes when a file is renamed, but for the name', async () => {
    await rename(join(folder.data, 'tree/small'), join(folder.data, 'tree/moved'));
    const answer = await owner.get(url());
    expect(answer.headers.etag).toBeDefined();
    expect(
      readZip(answer.body)
        .find(({ name }) => name === 'tree/moved')
        ?.content.toString(),
    ).toBe('small');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a file has none', () => folder.write('tree/other', 'x')],
    ['a file was written to since', () => folder.write('tree/small', 'longer than before')],
    ['something has to be left out', () => symlink('small', join(folder.data, 'tree', 'link'))],
  ])('becomes a stream when %s', async (_why, change) => {
    await change();
    const answer = await owner.get(url());
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.headers['content-length']).toBeUndefined();
    expect(answer.headers.etag).toBeUndefined();
    expect(readZip(answer.body).length).toBeGreaterThan(95);
  });

  it.each(['tree/small', 'tree/large'])(
    'is cut when the bytes of %s are not those of its checksum, which is forgotten then',
    async (path) => {
      const file = join(folder.data, path);
      const { atime, mtime } = await stat(file);
      const found = await service.volume.stat(folder.id, parseEntryPath(path, 'read'));
      await writeFile(file, Buffer.alloc(contents.get(path)?.length ?? 0, 'X'), { flag: 'r+' });
      await utimes(file, atime, mtime);
      const after = await service.volume.stat(folder.id, parseEntryPath(path, 'read'));
      // The clock of utimes is coarser than that of the file system, so the note is made to fit again.
      const { db } = service.database;
      const isFile = and(eq(fileDigests.folderId, folder.id), eq(fileDigests.inode, found?.inode ?? ''));
      await db
        .update(fileDigests)
        .set({ version: after?.version ?? '' })
        .where(isFile);
      expect((await owner.get(url())).isWhole).toBe(false);
      expect(await warnings()).toEqual([changedLine]);
      await eventually(async () => expect(await db.select().from(fileDigests).where(isFile)).toEqual([]));
      const streamed = await owner.get(url());
      expect(streamed.isWhole).toBe(true);
      expect(readZip(streamed.body).find(({ name }) => name === path)?.content[0]).toBe('X'.charCodeAt(0));
    },
  );

  it.each<[string, () => Promise<unknown>]>([
    ['is uploaded anew', () => put('tree/zlast', randomBytes(300_000))],
    ['is written to', () => folder.write('tree/zlast', 'shorter')],
    ['becomes shorter under the reader', () => truncate(join(folder.data, 'tree/a-large'), 19_000_000)],
    ['is replaced by a link', () => linkInstead('tree/zlast')],
  ])('is cut when a file %s on the way, and nobody is alarmed', async (_how, change) => {
    await put('tree/a-large', randomBytes(20_000_000));
    const response = await owner.open(url());
    expect(response.headers['content-length']).toBeDefined();
    await change();
    response.resume();
    await untilClosed(response);
    expect(response.complete).toBe(false);
    expect(await warnings()).toEqual([changedLine]);
  });
});
