import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import { archiveFormats } from '../../../storage/archive/entry-fields.ts';
import { createPacker } from '../../../storage/archive/packer.ts';
import { writeArchive } from '../../../storage/archive/write-archive.ts';
import type { Volume } from '../../../storage/volume.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type ArchiveFixture,
  archive,
  countDescriptors,
  createArchiveFixture,
  readContainer,
} from './archive-fixture.ts';

/** Shared, because starting threads from source takes long. */
const packer = createPacker();
let fixture: ArchiveFixture;

beforeEach(async () => {
  fixture = await createArchiveFixture(packer);
});

afterAll(() => packer.close());

afterEach(async () => {
  await eventually(async () => expect(await countDescriptors(fixture.data)).toBe(0));
  await fixture.close();
});

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function hasProgram(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const oddNames = [
  'with space',
  '100%25.txt',
  `quo"te's`,
  '-leading',
  'Überraschung 日本語 🎉',
  `${'長'.repeat(85)}`,
  'a'.repeat(255),
  'new\nline',
  'tab\tbell\u0007',
  '.hidden',
  '~tilde',
  '$(touch x)',
  'CON',
  'trailing.',
  'e\u0301 decomposed',
  `deep/${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(200)}/file`,
  `${'x'.repeat(101)}/y`,
];
const awkwardNames = ['C:drive', 'note: this', 'back\\slash', 'ends with\\', '\\\\?\\unc'];

describe.each(archiveFormats)('an archive in the format %s', (format) => {
  it('brings back every byte, name, mode and directory', async () => {
    const expected = new Map<string, string>();
    let fileBytes = 0;
    for (const [index, name] of oddNames.entries()) {
      const content = index % 3 === 0 ? Buffer.alloc(0) : randomBytes(index * 40_000);
      await fixture.write(name, content);
      expected.set(name, sha256(content));
      fileBytes += content.length;
      for (let end = name.indexOf('/'); end > 0; end = name.indexOf('/', end + 1)) {
        expected.set(name.slice(0, end), 'directory');
      }
    }
    await mkdir(join(fixture.data, 'empty'));
    expected.set('empty', 'directory');
    await chmod(join(fixture.data, '-leading'), 0o4751);

    const { summary, bytes } = await archive(fixture, format);
    const entries = readContainer(format, bytes);
    const found = entries.map(
      ({ name, type, content }) => [name, type === 'file' ? sha256(content) : type] as const,
    );
    expect(new Map<string, string>(found)).toEqual(expected);
    expect(entries.find((entry) => entry.name === '-leading')?.mode).toBe(
      format === 'zip' ? 0o100751 : 0o751,
    );
    expect(summary).toMatchObject({ entries: expected.size, skipped: [], skippedCount: 0 });
    expect(summary.bytes).toBe(fileBytes);
  });

  it('keeps names apart that archive libraries take for drives or directories', async () => {
    for (const name of awkwardNames) await fixture.write(name, name);
    const entries = readContainer(format, (await archive(fixture, format)).bytes);
    expect(entries.map(({ content }) => content.toString()).sort()).toEqual([...awkwardNames].sort());
    expect(entries.every(({ type }) => type === 'file')).toBe(true);
    const names = entries.map(({ name }) => name.replace(/^\.\//, ''));
    const expected =
      format === 'zip' ? awkwardNames.map((name) => name.replaceAll('\\', '＼')) : awkwardNames;
    expect(names.sort()).toEqual([...expected].sort());
  });

  it('is valid and empty for an empty folder', async () => {
    const { summary, bytes } = await archive(fixture, format);
    expect(readContainer(format, bytes)).toEqual([]);
    expect(summary).toEqual({ entries: 0, bytes: 0, skipped: [], skippedCount: 0 });
  });

  it('holds the chosen entries under their paths from the root of the folder', async () => {
    await fixture.write('a/b/chosen.txt', '1');
    await fixture.write('a/other.txt', '2');
    await fixture.write('dir/x', '3');
    const { bytes } = await archive(fixture, format, ['a/b/chosen.txt', 'dir']);
    expect(readContainer(format, bytes).map(({ name }) => name)).toEqual(['a/b/chosen.txt', 'dir', 'dir/x']);
  });

  it('leaves links, fifos and foreign names out and says so in its last entry', async () => {
    await fixture.write('kept', 'kept');
    await symlink('/etc/passwd', join(fixture.data, 'link'));
    execFileSync('mkfifo', [join(fixture.data, 'fifo')]);
    await writeFile(Buffer.concat([Buffer.from(`${fixture.data}/`), Buffer.from([0xff, 0xfe])]), 'foreign');
    const { summary, bytes } = await archive(fixture, format);
    const entries = readContainer(format, bytes);
    expect(entries.map(({ name }) => name)).toEqual(['kept', 'VFOLDER-SKIPPED.txt']);
    const manifest = entries.at(-1)?.content.toString() ?? '';
    for (const part of ['symlink\t"link"', 'other\t"fifo"', 'name_not_utf8'])
      expect(manifest).toContain(part);
    expect(manifest).not.toContain('root:');
    expect(summary.skippedCount).toBe(3);
    expect(summary.skipped.map(({ reason }) => reason).sort()).toEqual(['name_not_utf8', 'other', 'symlink']);
  });

  it('does not hide an entry that has the name of its manifest', async () => {
    await fixture.write('VFOLDER-SKIPPED.txt', 'mine');
    await symlink('x', join(fixture.data, 'link'));
    const entries = readContainer(format, (await archive(fixture, format)).bytes);
    expect(entries).toHaveLength(2);
    expect(entries[0]).toMatchObject({ name: 'VFOLDER-SKIPPED.txt', content: Buffer.from('mine') });
    expect(entries[1]?.name).toMatch(/^VFOLDER-SKIPPED-[0-9a-f-]{36}\.txt$/);
  });

  it('carries times outside the range of its header without damage', async () => {
    await fixture.write('old', 'old');
    await fixture.write('far', 'far');
    // As dates, because negative numbers are taken for the present.
    await utimes(join(fixture.data, 'old'), new Date(-86_400_000), new Date(-86_400_000));
    await utimes(join(fixture.data, 'far'), 2 ** 32 + 5, 2 ** 32 + 5);
    const entries = readContainer(format, (await archive(fixture, format)).bytes);
    expect(entries.map(({ name, content }) => [name, content.toString()])).toEqual([
      ['far', 'far'],
      ['old', 'old'],
    ]);
    if (format !== 'zip') expect(entries.map(({ mtime }) => mtime)).toEqual([2 ** 32 + 5, -86_400]);
  });

  // For a zip, sizes of a file packed by parts: with its sizes in front of the content, and behind it.
  it.each(format === 'zip' ? [600_000, 17_000_000] : [10_000, 300_000])(
    'keeps its headers true when files of %d bytes shrink, grow and vanish',
    async (size) => {
      for (const name of ['grows', 'shrinks', 'vanishes', 'whole'])
        await fixture.write(name, Buffer.alloc(size, name[0]));
      const volume = withChanges(fixture.volume, async (name, moment) => {
        const path = join(fixture.data, name);
        if (name === 'vanishes' && moment === 'before') execFileSync('rm', [path]);
        if (name === 'grows' && moment === 'after') await writeFile(path, Buffer.alloc(size * 2, 'G'));
        if (name === 'shrinks' && moment === 'after') await writeFile(path, 'abc');
      });
      const { summary, bytes } = await archive({ ...fixture, volume }, format);
      const entries = readContainer(format, bytes);
      expect(entries.map(({ name }) => name)).toEqual(['grows', 'shrinks', 'whole', 'VFOLDER-SKIPPED.txt']);
      expect(entries[0]?.content).toHaveLength(size);
      const padded = Buffer.concat([Buffer.from('abc'), Buffer.alloc(size - 3)]);
      expect(entries[1]?.content.equals(padded)).toBe(true);
      expect(entries[2]?.content.equals(Buffer.alloc(size, 'w'))).toBe(true);
      expect(summary.skipped).toEqual(
        expect.arrayContaining([
          { path: 'vanishes', reason: 'vanished' },
          { path: 'shrinks', reason: 'shortened' },
        ]),
      );
    },
  );

  it('is cut and never ended when a file cannot be read, and closes what it opened', async () => {
    for (let index = 0; index < 20; index += 1) await fixture.write(`f${index}`, randomBytes(400_000));
    const volume = withReadError(fixture.volume, 'f7');
    const sink = new PassThrough();
    let ended = false;
    sink.on('end', () => {
      ended = true;
    });
    const paths = [parseEntryPath('', 'read')];
    const [written, read] = await Promise.allSettled([
      writeArchive({ volume, folderId: fixture.folderId, paths, format, sink }),
      buffer(sink),
    ]);
    expect(written).toMatchObject({ status: 'rejected', reason: { message: 'planted read error' } });
    expect(read.status).toBe('rejected');
    expect(ended).toBe(false);
  });

  it('stops when the reader goes away or the work is aborted, and closes what it opened', async () => {
    for (let index = 0; index < 40; index += 1) await fixture.write(`f${index}`, randomBytes(300_000));
    const paths = [parseEntryPath('', 'read')];
    const gone = new PassThrough();
    gone.once('data', () => gone.destroy());
    const { volume, folderId } = fixture;
    await expect(writeArchive({ volume, folderId, paths, format, sink: gone })).rejects.toThrow();

    const abort = new AbortController();
    const reason = new Error('cancelled by the test');
    const sink = new PassThrough();
    sink.once('data', () => abort.abort(reason));
    sink.on('error', () => undefined);
    const written = writeArchive({ volume, folderId, paths, format, sink, signal: abort.signal });
    await expect(written).rejects.toBe(reason);
    expect(sink.destroyed).toBe(true);
  });

  it('reports progress up to the totals', async () => {
    await fixture.write('a', Buffer.alloc(200_000));
    await fixture.write('b/c', Buffer.alloc(7));
    const sink = new PassThrough().resume();
    const seen: { entries: number; bytes: number }[] = [];
    const summary = await writeArchive({
      ...fixture,
      paths: [parseEntryPath('', 'read')],
      format,
      sink,
      onProgress: (done) => seen.push(done),
    });
    expect(seen.at(-1)).toEqual({ entries: 3, bytes: 200_007 });
    expect(summary).toMatchObject({ entries: 3, bytes: 200_007 });
  });

  it('needs memory that does not grow with the number of entries', async () => {
    const total = 5_000;
    for (let index = 0; index < total; index += 1)
      await fixture.write(`d${index % 50}/f${index}`, `content ${index}`);
    let mostOpen = 0;
    const sink = new PassThrough().resume();
    let opened = 0;
    const volume = withChanges(fixture.volume, async (_name, moment) => {
      opened += 1;
      if (moment === 'after' && opened % 100 === 0)
        mostOpen = Math.max(mostOpen, await countDescriptors(`${fixture.data}/`));
    });
    global.gc?.();
    const before = process.memoryUsage().rss;
    const summary = await writeArchive({
      ...fixture,
      volume,
      paths: [parseEntryPath('', 'read')],
      format,
      sink,
    });
    expect(summary.entries).toBe(total + 50);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2);
    expect(mostOpen).toBeLessThan(40);
  });
});

describe('other readers', () => {
  it.runIf(hasProgram('tar'))('GNU tar lists and unpacks a tar with odd names', async () => {
    await writeOdd();
    const { bytes } = await archive(fixture, 'tar');
    const target = join(fixture.data, '..', 'stage', 'out');
    await mkdir(target);
    execFileSync('tar', ['-xf', '-', '-C', target], { input: bytes });
    execFileSync('diff', ['-r', fixture.data, target]);
  });

  it.runIf(hasProgram('python3'))('Python reads the same names and sizes from tar and zip', async () => {
    await writeOdd();
    const script = [
      'import sys, io, json, tarfile, zipfile',
      'data = io.BytesIO(sys.stdin.buffer.read())',
      'if sys.argv[1] == "zip":',
      '    z = zipfile.ZipFile(data); assert z.testzip() is None',
      '    print(json.dumps(sorted([i.filename.rstrip("/"), i.file_size] for i in z.infolist())))',
      'else:',
      '    print(json.dumps(sorted([m.name, m.size] for m in tarfile.open(fileobj=data))))',
    ].join('\n');
    for (const format of archiveFormats) {
      const { bytes } = await archive(fixture, format);
      const found = JSON.parse(execFileSync('python3', ['-c', script, format], { input: bytes }).toString());
      const own = readContainer(format, bytes).map(({ name, content }) => [name, content.length]);
      expect(new Map(found)).toEqual(new Map(own as [string, number][]));
    }
  });
});

async function writeOdd(): Promise<void> {
  for (const name of [...oddNames, ...awkwardNames.slice(0, 3)]) await fixture.write(name, name);
}

/** The real volume, with something happening before an entry is opened and after (between fstat and the first read). */
function withChanges(
  volume: Volume,
  change: (name: string, moment: 'before' | 'after') => Promise<void>,
): Volume & ArchiveFixture['volume'] {
  return {
    ...fixture.volume,
    async *walk(...parameters: Parameters<Volume['walk']>) {
      for await (const entry of volume.walk(...parameters)) {
        const name = entry.path.join('/');
        yield {
          ...entry,
          // A place that it shares with nobody, so that each is lent by itself.
          within: {},
          open: async () => {
            await change(name, 'before');
            const file = await entry.open();
            await change(name, 'after');
            return file;
          },
          lend: async (use) => {
            await change(name, 'before');
            return entry.lend(async (lent) => {
              await change(name, 'after');
              return use(lent);
            });
          },
        };
      }
    },
  };
}

function withReadError(volume: Volume, failing: string): Volume & ArchiveFixture['volume'] {
  return {
    ...fixture.volume,
    async *walk(...parameters: Parameters<Volume['walk']>) {
      for await (const entry of volume.walk(...parameters)) {
        const open = async () => {
          const file = await entry.open();
          if (entry.path.join('/') !== failing) return file;
          const stream: typeof file.stream = (range) => {
            const source = file.stream(range);
            source.once('data', () => source.destroy(new Error('planted read error')));
            source.pause();
            return source;
          };
          return { ...file, stream };
        };
        const lend: typeof entry.lend = (use) =>
          entry.path.join('/') === failing
            ? Promise.reject(new Error('planted read error'))
            : entry.lend(use);
        yield { ...entry, open, lend, within: {} };
      }
    },
  };
}
