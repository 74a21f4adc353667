import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { ZipArchive } from 'archiver';
import { z } from 'zod';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { type KnownZipOrder, planKnownZip } from '../../storage/archive/known-zip.ts';
import { writeArchive } from '../../storage/archive/write-archive.ts';
import { writeKnownZip } from '../../storage/archive/write-known-zip.ts';
import { folderComponents } from '../../storage/posix/layout.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import { makeEmptyFiles, makeLargeFile, makeMixedFiles, makeSmallFiles } from '../corpus.ts';
import { type BenchRow, interleave, median, missingRow, toRow } from '../row.ts';
import type { BenchContext } from '../suite.ts';
import { hasProgram, runScript, runShell } from '../tools.ts';

const mib = 1024 * 1024;
const root = parseEntryPath('', 'read');

/** A volume, and folders on it whose `data` the peers read, too. */
interface Ground {
  readonly volume: PosixVolume;
  readonly volumeRoot: string;
  readonly outDir: string;
}

interface Corpus {
  readonly folderId: string;
  readonly data: string;
}

async function makeCorpus({ volume, volumeRoot }: Ground): Promise<Corpus> {
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  return { folderId, data: join(volumeRoot, 'f', ...folderComponents(folderId), 'data') };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** What the job does between claim and settle: written, hashed, synced, published by a rename. */
async function buildZip({ volume }: Ground, folderId: string): Promise<number> {
  const id = randomUUID();
  const ms = await timed(async () => {
    const target = await volume.createArchive(id);
    await writeArchive({ volume, folderId, paths: [root], format: 'zip', sink: target.sink });
    await target.finish();
  });
  await volume.removeArchive(id);
  return ms;
}

function zipByArchiver(directory: string, target: string): Promise<number> {
  return timed(async () => {
    const archive = new ZipArchive({ zlib: { level: 1 } });
    archive.directory(directory, false);
    const written = pipeline(archive, createWriteStream(target));
    await archive.finalize();
    await written;
  });
}

/** A peer: the program it needs, and its command line. */
const peers: Readonly<Record<string, { readonly needs: string; readonly command: string }>> = {
  'zip -r -1': { needs: 'zip', command: 'rm -f OUT && zip -q -r -1 OUT .' },
  'tar | pigz -p2 -1': { needs: 'pigz', command: 'tar -cf - . | pigz -p2 -1 > OUT' },
  '7zz -mx=1 -mmt=2': { needs: '7zz', command: 'rm -f OUT && 7zz a -tzip -mx=1 -mmt=2 -bso0 -bsp0 OUT .' },
};

interface Race {
  readonly id: string;
  readonly work: string;
  readonly rounds: number;
  /** Peers that take so long that they run in every other round. */
  readonly seldom: readonly string[];
  /** The most that our time may be of each peer's. */
  readonly goals: Readonly<Record<string, number>>;
}

async function* race(ground: Ground, { folderId, data }: Corpus, options: Race): AsyncIterable<BenchRow> {
  const { id, work, rounds, seldom, goals } = options;
  const out = join(ground.outDir, 'peer.zip');
  const contestants = new Map<string, () => Promise<number>>([['own', () => buildZip(ground, folderId)]]);
  for (const name of Object.keys(goals)) {
    const peer = peers[name];
    if (peer === undefined) contestants.set(name, () => zipByArchiver(data, out));
    else if (hasProgram(peer.needs))
      contestants.set(name, () => runShell(peer.command.replaceAll('OUT', out), data));
  }
  const results = await interleave(contestants, rounds, new Set(seldom));
  await rm(out, { force: true });
  const own = median(results('own'));
  for (const [name, atMost] of Object.entries(goals)) {
    const row = { id, work: `${work}, against ${name}` };
    if (!contestants.has(name)) {
      yield missingRow({ ...row, goal: `≤ ${atMost}`, note: `${peers[name]?.needs} is not installed` });
      continue;
    }
    const theirs = median(results(name));
    const note = `${own.toFixed(0)} ms, ${theirs.toFixed(0)} ms`;
    yield toRow({ ...row, measured: own / theirs, unit: '×', note }, { atMost });
  }
}

/** Peak memory of a process of its own that zips many files. */
async function* measureMemory(ground: Ground, count: number): AsyncIterable<BenchRow> {
  const warm = await makeCorpus(ground);
  await makeSmallFiles(warm.data, 1_000, 4096);
  const many = await makeCorpus(ground);
  await makeEmptyFiles(many.data, count);
  const script = new URL('../archive-memory.js', import.meta.url);
  const printed = runScript(script, [ground.volumeRoot, warm.folderId, many.folderId]);
  const memory = z.object({ growthMiB: z.number(), peakMiB: z.number() }).parse(JSON.parse(printed));
  await rm(many.data, { recursive: true });
  const work = `memory of a zip of ${count.toLocaleString('en')} files`;
  yield toRow(
    { id: 'A3/growth', work: `${work}, beyond warm threads`, measured: memory.growthMiB, unit: 'MiB' },
    { atMost: 64 },
  );
  yield toRow({ id: 'A3/rss', work, measured: memory.peakMiB, unit: 'MiB' }, { atMost: 250 });
}

/** Takes everything; tells when the first byte came. */
function openMouth() {
  let firstAt = 0;
  const sink = new Writable({
    highWaterMark: mib,
    write(_chunk, _encoding, done) {
      if (firstAt === 0) firstAt = performance.now();
      setImmediate(done);
    },
  });
  return { sink, firstAt: () => firstAt };
}

async function noteChecksums({ volume, folderId }: { volume: PosixVolume; folderId: string }) {
  const crcs = new Map<string, number>();
  for await (const entry of volume.walk(folderId, root, {})) {
    if (entry.stat.kind !== 'file') continue;
    const file = await entry.open();
    let crc = 0;
    for await (const chunk of file.stream()) crc = crc32(chunk, crc);
    await file.close();
    crcs.set(entry.stat.version, crc);
  }
  return crcs;
}

/** Reads the same files one after the other and gives them away as they are. */
async function readBare(data: string): Promise<number> {
  const { sink } = openMouth();
  return await timed(async () => {
    for (const directory of (await readdir(data)).sort()) {
      for (const name of (await readdir(join(data, directory))).sort()) {
        const bytes = await readFile(join(data, directory, name));
        if (!sink.write(bytes)) await new Promise((resolve) => sink.once('drain', resolve));
      }
    }
  });
}

async function writeKnown(order: KnownZipOrder, firsts: number[]): Promise<number> {
  const { signal } = new AbortController();
  const zip = await planKnownZip(order, signal);
  if (zip === null) throw new Error('Every file has a checksum.');
  const { sink, firstAt } = openMouth();
  const span = { start: 0, end: zip.sizeBytes - 1 };
  const plannedAt = performance.now();
  const ms = await timed(() =>
    writeKnownZip({ ...order, zip, span, sink, signal, onMismatch: () => undefined }),
  );
  firsts.push(firstAt() - plannedAt);
  return ms;
}

/** Zips that are known before they are made; checksums come from memory here, else from the database. */
async function* measureKnown(ground: Ground, count: number, rounds: number): AsyncIterable<BenchRow> {
  const { folderId, data } = await makeCorpus(ground);
  await makeSmallFiles(data, count, 16_384);
  const crcs = await noteChecksums({ volume: ground.volume, folderId });
  const { volume } = ground;
  const order: KnownZipOrder = { volume, folderId, paths: [root], findCrcs: async () => crcs };
  const firsts: number[] = [];
  const results = await interleave(
    new Map([
      ['own', () => writeKnown(order, firsts)],
      ['bare', () => readBare(data)],
    ]),
    rounds,
  );
  await rm(data, { recursive: true });
  const work = `a zip of ${count.toLocaleString('en')} files of 16 KiB known in advance`;
  yield toRow(
    {
      id: 'A4/first',
      work: `${work}, first byte after the plan`,
      measured: median(firsts.slice(1)),
      unit: 'ms',
    },
    { atMost: 100 },
  );
  const [own, bare] = [median(results('own')), median(results('bare'))];
  const note = `${own.toFixed(0)} ms, ${bare.toFixed(0)} ms`;
  yield toRow(
    { id: 'A4/rate', work: `${work}, against reading the files bare`, measured: bare / own, unit: '×', note },
    { atLeast: 0.7 },
  );
}

async function* measureZips(ground: Ground, isQuick: boolean): AsyncIterable<BenchRow> {
  const rounds = isQuick ? 1 : 7;
  const small = await makeCorpus(ground);
  await makeSmallFiles(small.data, isQuick ? 1_000 : 10_000, 4096);
  const smallGoals = { 'zip -r -1': 0.7, archiver: 0.125, '7zz -mx=1 -mmt=2': 1 };
  const smallRace = { id: 'A1', work: 'zip of 10k × 4 KiB', rounds, seldom: ['archiver'] };
  yield* race(ground, small, { ...smallRace, goals: smallGoals });
  const mixed = await makeCorpus(ground);
  await makeMixedFiles(mixed.data, isQuick ? 10 : 200);
  const mixedGoals = { 'zip -r -1': 0.25, 'tar | pigz -p2 -1': 0.6 };
  const long = { rounds: isQuick ? 1 : 3, seldom: ['zip -r -1'] };
  yield* race(ground, mixed, { ...long, id: 'A2/mixed', work: 'zip of 200 × 5 MiB', goals: mixedGoals });
  await rm(mixed.data, { recursive: true });
  const large = await makeCorpus(ground);
  await makeLargeFile(large.data, (isQuick ? 64 : 2048) * mib);
  const largeGoals = { 'zip -r -1': 0.4, 'tar | pigz -p2 -1': 0.8 };
  yield* race(ground, large, { ...long, id: 'A2/large', work: 'zip of 1 × 2 GiB', goals: largeGoals });
  await rm(large.data, { recursive: true });
}

/** Zips that a job builds, and those known in advance: goals A1 to A4. */
export async function* measureArchives({ workDir, isQuick }: BenchContext): AsyncIterable<BenchRow> {
  const volumeRoot = join(workDir, 'volume');
  const volume = await openPosixVolume({ name: 'bench', root: volumeRoot });
  const ground = { volume, volumeRoot, outDir: workDir };
  try {
    yield* measureZips(ground, isQuick);
    yield* measureKnown(ground, isQuick ? 1_000 : 50_000, isQuick ? 1 : 3);
    yield* measureMemory(ground, isQuick ? 10_000 : 1_000_000);
  } finally {
    await volume.close();
  }
}
