import { randomUUID } from 'node:crypto';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EntryPath, parseEntryPath } from '../../../../domain/entry-path.ts';
import { isDomainError } from '../../../../domain/errors.ts';
import { pathAt } from '../../../../storage/posix/handles/entry-name.ts';
import { openDescriptors } from '../../deep-tree.ts';
import { openTestVolume, type TestVolume } from '../../test-volume.ts';
import { type Canary, canaryName, plantCanary } from './canary.ts';

/** Paths tried; VFOLDER_FUZZ_RUNS=1000000 for the long run. */
const numRuns = Number(process.env.VFOLDER_FUZZ_RUNS ?? 3000);
vi.setConfig({ testTimeout: 60_000 + numRuns * 10 });

let test: TestVolume;
let canary: Canary;
let before: string;
let descriptorsBefore: number;

beforeAll(async () => {
  descriptorsBefore = openDescriptors();
  test = await openTestVolume();
  canary = await plantCanary(test);
  await mkdir(join(test.dataPath, 'dir', 'inner'), { recursive: true });
  await writeFile(join(test.dataPath, 'file'), 'inside');
  await writeFile(join(test.dataPath, 'dir', 'file'), 'inside');
  const links = [
    canary.path,
    `${canary.path}/`,
    '/',
    '/proc/self/root',
    '/proc/self/fd',
    '..',
    '.',
    '../..',
    'link-0',
  ];
  for (const [index, target] of links.entries()) {
    await symlink(target, join(test.dataPath, `link-${index}`));
    await symlink(target, join(test.dataPath, 'dir', `link-${index}`));
  }
  await link(join(test.dataPath, 'file'), join(test.dataPath, 'hard'));
  before = await canary.snapshot();
});
afterAll(async () => {
  await test.close();
  expect(openDescriptors()).toBeLessThanOrEqual(descriptorsBefore);
});

const present = [
  'file',
  'dir',
  'inner',
  'hard',
  'new',
  ...Array.from({ length: 9 }, (_, index) => `link-${index}`),
];
const nasty = [
  '.',
  '..',
  '...',
  '',
  '\0',
  'a\0b',
  'link-0/',
  '%2e%2e',
  '..%2f',
  '\\..',
  '~',
  '-rf',
  ' ',
  '\ud800',
  '\u202e',
  '\ufffd',
  'é',
  'e\u0301',
  '\r\n',
  'x'.repeat(255),
  'x'.repeat(256),
  'ä'.repeat(127),
  'ä'.repeat(128),
  'outside',
  'proc',
  'self',
  'root',
  'etc',
  '.snapshot',
];
const component = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom(...present) },
  { weight: 2, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
);
const rawPath = fc
  .tuple(
    fc.constantFrom(...Array.from({ length: 12 }, () => ''), '/', '//', './', '../'),
    fc.oneof(
      { weight: 5, arbitrary: fc.array(component, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.array(component, { maxLength: 70 }) },
    ),
    fc.constantFrom(...Array.from({ length: 12 }, () => ''), '/', '/.', '//'),
  )
  .map(([head, parts, tail]) => `${head}${parts.join('/')}${tail}`);

async function upload(path: EntryPath): Promise<void> {
  const stageId = randomUUID();
  const writer = await test.volume.createStage(test.folderId, stageId);
  await writer.write(Buffer.from('inside'));
  await writer.finish();
  try {
    await test.volume.commitStage(test.folderId, stageId, path);
  } finally {
    await test.volume.discardStage(test.folderId, stageId);
  }
}

async function read(path: EntryPath): Promise<void> {
  const file = await test.volume.open(test.folderId, path);
  try {
    for await (const chunk of file.stream()) expect(String(chunk)).toBe('inside');
  } finally {
    await file.close();
  }
}

async function list(path: EntryPath): Promise<void> {
  const { entries } = await test.volume.list(test.folderId, path, { limit: 1000 });
  expect(entries.map(({ name }) => name)).not.toContain(canaryName);
}

async function deleteAndRestore(path: EntryPath): Promise<void> {
  const trashId = randomUUID();
  await test.volume.createTrash(test.folderId, trashId);
  try {
    await test.volume.trashEntry(test.folderId, path, trashId, 0);
    await test.volume.restoreTrash(test.folderId, trashId, 0, path);
  } finally {
    await test.volume.purgeTrash(test.folderId, trashId);
  }
}

async function walk(path: EntryPath): Promise<void> {
  for await (const entry of test.volume.walk(test.folderId, path, {})) expect(entry.path).toBeDefined();
}

const verbs: Readonly<Record<string, (path: EntryPath, other: EntryPath) => Promise<unknown>>> = {
  stat: (path) => test.volume.stat(test.folderId, path),
  read,
  list,
  walk,
  upload,
  makeDirectory: (path) => test.volume.makeDirectory(test.folderId, path, { parents: true, existOk: true }),
  move: (path, other) => test.volume.move(test.folderId, path, other),
  deleteAndRestore,
};

async function typed(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDomainError(error)) throw error;
    // The volume is well: nothing a caller can send may look like its failure.
    expect(['volume_unavailable', 'volume_full', 'internal']).not.toContain(error.code);
  }
}

describe('random hostile paths', () => {
  it('never leave the folder and never give an untyped error, whatever the verb', async () => {
    const seed = Number(process.env.VFOLDER_SEED ?? Date.now() % 2 ** 31);
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(
        rawPath,
        rawPath,
        fc.constantFrom(...Object.keys(verbs)),
        fc.constantFrom('read' as const, 'write' as const),
        async (raw, otherRaw, verb, purpose) => {
          await typed(async () => {
            const path = parseEntryPath(raw, purpose);
            const other = verb === 'move' ? parseEntryPath(otherRaw, purpose) : path;
            await verbs[verb]?.(path, other);
            opened += 1;
          });
        },
      ),
      { numRuns, seed, endOnFailure: false },
    );
    // A generator that is always refused would prove nothing.
    expect(opened).toBeGreaterThan(numRuns / 10);
    expect(await canary.snapshot()).toBe(before);
  });

  it('are refused in the innermost call too, should a check above be missing', () => {
    for (const name of ['', '.', '..', 'a/b', 'a/', '/', 'a\0', '\ud800', 'x'.repeat(256), 'ä'.repeat(128)]) {
      expect(() => pathAt(3, name)).toThrow('not a plain name');
      if (name !== '\ud800') expect(() => pathAt(3, Buffer.from(name))).toThrow('not a plain name');
    }
    for (const name of ['...', 'a', ' ', '-', '\\', 'x'.repeat(255), 'ä'.repeat(127)]) {
      expect(String(pathAt(3, name))).toBe(`/proc/self/fd/3/${name}`);
      expect(String(pathAt(3, Buffer.from(name)))).toBe(`/proc/self/fd/3/${name}`);
    }
  });
});
