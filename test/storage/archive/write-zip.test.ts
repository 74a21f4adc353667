import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import { createPacker } from '../../../storage/archive/packer.ts';
import { writeArchive } from '../../../storage/archive/write-archive.ts';
import { centralRecord, endRecords, zipEntry } from '../../../storage/archive/zip-format.ts';
import type { EntryStat, LentName, Volume, WalkedEntry } from '../../../storage/volume.ts';
import { type ArchiveFixture, archive, createArchiveFixture } from './archive-fixture.ts';
import { readZip } from './read-zip.ts';

/** Shared, because starting threads from source takes long. */
const packer = createPacker();
let fixture: ArchiveFixture;

beforeEach(async () => {
  fixture = await createArchiveFixture(packer);
});

afterEach(() => fixture.close());

afterAll(() => packer.close());

function hasProgram(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const mebibyte = 1024 * 1024;
const text = Buffer.from('All work and no play makes deflate a dull codec. '.repeat(24_000)).subarray(
  0,
  mebibyte,
);

/** Lets programs that people have test an archive; each must know the path of it. */
const testers: Readonly<Record<string, (path: string) => void>> = {
  unzip: (path) => execFileSync('unzip', ['-tq', path]),
  python3: (path) =>
    execFileSync('python3', [
      '-c',
      'import sys, zipfile; assert zipfile.ZipFile(sys.argv[1]).testzip() is None',
      path,
    ]),
  '7zz': (path) => execFileSync('7zz', ['t', '-bso0', '-bsp0', path]),
  // Reads from the front, as from a pipe.
  bsdtar: (path) => execFileSync('sh', ['-c', `bsdtar -xOf - < '${path}' > /dev/null`]),
};

async function letOthersTest(bytes: Buffer): Promise<void> {
  const path = join(fixture.data, '..', 'stage', 'tested.zip');
  await writeFile(path, bytes);
  for (const [name, test] of Object.entries(testers)) {
    if (hasProgram(name)) test(path);
  }
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Directories that are only said to be there: what a walk of a huge tree hands out, without the tree. */
async function* manyDirectories(count: number): AsyncGenerator<WalkedEntry> {
  await fixture.write('directory/file', '');
  const stat = await fixture.volume.stat(fixture.folderId, parseEntryPath('directory', 'read'));
  if (stat === null) throw new Error('The directory was just made.');
  for (let index = 0; index < count; index += 1) {
    const unused = () => Promise.reject(new Error('A directory is not opened.'));
    const beside = (neighbour: LentName) => neighbour;
    yield { path: [`directory-${index}`], stat, open: unused, lend: unused, within: stat, beside };
  }
}

describe('a zip', () => {
  it('holds large files of which parts deflate and others do not, whether sizes come first or last', async () => {
    const noise = randomBytes(mebibyte);
    const contents = new Map<string, Buffer>([
      ['held', Buffer.concat([noise, text, noise.subarray(0, 7)])],
      ['held-noise', randomBytes(2 * mebibyte + 1)],
      ['flowing', Buffer.concat(Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? noise : text)))],
      ['flowing-noise', randomBytes(17 * mebibyte + 3)],
      ['empty', Buffer.alloc(0)],
    ]);
    for (const [name, content] of contents) await fixture.write(name, content);
    const { bytes, summary } = await archive(fixture, 'zip');
    const found = new Map(readZip(bytes).map(({ name, content }) => [name, sha256(content)]));
    expect(found).toEqual(new Map([...contents].map(([name, content]) => [name, sha256(content)])));
    expect(summary.skippedCount).toBe(0);
    const raw = [...contents.values()].reduce((sum, { length }) => sum + length, 0);
    // Text shrinks; noise grows by the frames of its blocks at most.
    expect(bytes.length).toBeLessThan(raw - 12 * mebibyte);
    await letOthersTest(bytes);
  });

  it('has the same bytes each time, entries in byte order of their names', async () => {
    for (const name of ['b', 'a/z', 'a/é', 'a-b', 'Z']) await fixture.write(name, randomBytes(3000));
    for (let index = 0; index < 300; index += 1)
      await fixture.write(`many/${index}`, `${index}`.repeat(index));
    const first = await archive(fixture, 'zip');
    const names = readZip(first.bytes).map(({ name }) => name);
    expect(names.slice(0, 6)).toEqual(['Z', 'a', 'a/z', 'a/é', 'a-b', 'b']);
    expect((await archive(fixture, 'zip')).bytes.equals(first.bytes)).toBe(true);
  });

  it('is read by others beyond 65,535 entries', async () => {
    const total = 66_000;
    const walk: Volume['walk'] = () => manyDirectories(total);
    const { bytes, summary } = await archive({ ...fixture, volume: { ...fixture.volume, walk } }, 'zip');
    expect(summary.entries).toBe(total);
    const entries = readZip(bytes);
    expect(entries).toHaveLength(total);
    expect(entries.at(-1)?.name).toBe(`directory-${total - 1}`);
    await letOthersTest(bytes);
  });

  it('writes its end from memory that is used again, and only when the sink has let go of it', async () => {
    const walk: Volume['walk'] = () => manyDirectories(20_000);
    const volume = { ...fixture.volume, walk };
    const { bytes } = await archive({ ...fixture, volume }, 'zip');
    const id = randomUUID();
    const draft = await fixture.volume.createArchive(id);
    const order = {
      volume,
      folderId: fixture.folderId,
      paths: [parseEntryPath('', 'read')],
      format: 'zip',
    } as const;
    await writeArchive({ ...order, sink: draft.sink, flushSink: draft.flush });
    expect((await draft.finish()).sha256).toBe(sha256(bytes));
    // A sink that lies about it would be noticed here.
    const liar = new PassThrough();
    const [kept] = await Promise.all([
      buffer(liar),
      writeArchive({ ...order, sink: liar, flushSink: async () => undefined }),
    ]);
    expect(kept).toHaveLength(bytes.length);
    expect(kept.equals(bytes)).toBe(false);
  });

  it('does not wait for a sink that never lets go once it is aborted', async () => {
    await fixture.write('file', 'content');
    const stop = new AbortController();
    const draft = await fixture.volume.createArchive(randomUUID());
    const work = writeArchive({
      volume: fixture.volume,
      folderId: fixture.folderId,
      paths: [parseEntryPath('', 'read')],
      format: 'zip',
      sink: draft.sink,
      flushSink: () => {
        stop.abort(new Error('cancelled'));
        return new Promise(() => undefined);
      },
      signal: stop.signal,
    });
    await expect(work).rejects.toThrow('cancelled');
    await draft.abort();
    for await (const batch of fixture.volume.listArchives()) expect(batch).toEqual([]);
  });

  it('says sizes and places beyond 32 bits in wide fields', () => {
    const stat: Pick<EntryStat, 'kind' | 'mode' | 'mtime'> = { kind: 'file', mode: 0o100644, mtime: 0 };
    const content = { method: 8, crc32: 1, packedBytes: 5e9, sizeBytes: 6e9, hasDescriptor: true };
    const record = centralRecord(zipEntry(['x'], stat), content, 7e9);
    for (const at of [20, 24, 42]) expect(record.readUInt32LE(at)).toBe(0xffff_ffff);
    const wide = [0, 8, 16].map((at) => Number(record.readBigUInt64LE(record.length - 24 + at)));
    expect(wide).toEqual([6e9, 5e9, 7e9]);
    const narrow = centralRecord(zipEntry(['x'], stat), { ...content, packedBytes: 5, sizeBytes: 6 }, 7e9);
    expect(narrow.readUInt32LE(20)).toBe(5);
    expect(Number(narrow.readBigUInt64LE(narrow.length - 8))).toBe(7e9);
    const end = endRecords({ entries: 70_000, offset: 9e9, sizeBytes: 5_000_000 });
    expect(Number(end.readBigUInt64LE(24))).toBe(70_000);
    expect(Number(end.readBigUInt64LE(48))).toBe(9e9);
    expect(Number(end.readBigUInt64LE(64))).toBe(9e9 + 5_000_000);
    expect(endRecords({ entries: 65_534, offset: 1, sizeBytes: 1 })).toHaveLength(22);
  });

  it('is valid however a container shrinks, grows, removes, replaces and links the files meanwhile', async () => {
    for (let index = 0; index < 40; index += 1) await fixture.write(`s${index}`, randomBytes(20_000));
    for (let index = 0; index < 4; index += 1) await fixture.write(`l${index}`, randomBytes(3 * mebibyte));
    await fixture.write('../stage/outside', 'SECRET');
    const churn = spawn(process.execPath, ['-e', churner, fixture.data], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(churn.stdout, 'data');
    try {
      for (let round = 0; round < 12; round += 1) {
        const { bytes } = await archive(fixture, 'zip');
        const entries = readZip(bytes);
        expect(
          entries.every(({ type, mode }) => type === 'directory' || (mode & 0o170000) === 0o100000),
        ).toBe(true);
        expect(entries.some(({ content }) => content.includes('SECRET'))).toBe(false);
      }
    } finally {
      churn.kill('SIGKILL');
      await once(churn, 'exit');
    }
  });

  it('marks a file that became shorter while its parts were read', async () => {
    await fixture.write('large', Buffer.alloc(3 * mebibyte, 'x'));
    const walk: Volume['walk'] = async function* (...parameters) {
      for await (const entry of fixture.volume.walk(...parameters)) {
        const open = async () => {
          const file = await entry.open();
          await truncate(join(fixture.data, 'large'), mebibyte + 5);
          return file;
        };
        yield { ...entry, open };
      }
    };
    const { bytes, summary } = await archive({ ...fixture, volume: { ...fixture.volume, walk } }, 'zip');
    expect(summary.skipped).toEqual([{ path: 'large', reason: 'shortened' }]);
    const [large] = readZip(bytes);
    expect(
      large?.content.equals(Buffer.concat([Buffer.alloc(mebibyte + 5, 'x'), Buffer.alloc(2 * mebibyte - 5)])),
    ).toBe(true);
  });
});

/** Changes files at random, as fast as it can. */
const churner = `
const fs = require('node:fs');
const { join } = require('node:path');
const root = process.argv[1];
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const names = [...Array(40).keys()].map((n) => 's' + n).concat([0, 1, 2, 3].map((n) => 'l' + n));
const acts = [
  (path, size) => fs.lstatSync(path).isFile() && fs.truncateSync(path, Math.floor(Math.random() * size)),
  (path, size) => fs.lstatSync(path).isFile() && fs.appendFileSync(path, Buffer.alloc(size, 'g')),
  (path, size) => { fs.rmSync(path, { force: true, recursive: true }); fs.writeFileSync(path, Buffer.alloc(size, 'n')); },
  (path) => { fs.rmSync(path, { force: true, recursive: true }); fs.symlinkSync('../stage/outside', path); },
  (path) => { fs.rmSync(path, { force: true, recursive: true }); fs.mkdirSync(path); },
  (path, size) => { fs.writeFileSync(path + '.new', Buffer.alloc(size, 'r')); fs.renameSync(path + '.new', path); },
];
process.stdout.write('ready');
for (;;) {
  const name = pick(names);
  try { pick(acts)(join(root, name), name.startsWith('l') ? 3 * 1024 * 1024 : 20000); } catch {}
  if (fs.statSync(root).isDirectory() && Math.random() < 0.2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
`;
