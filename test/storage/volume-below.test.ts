import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseEntryPath } from '../../domain/entry-path.ts';
import type { ReadableVolume, SkippedEntry } from '../../storage/volume.ts';
import { volumeBelow } from '../../storage/volume-below.ts';
import { openTestVolume, type TestVolume } from './test-volume.ts';

let stage: TestVolume;
let below: ReadableVolume;
const path = (text: string) => parseEntryPath(text, 'read');

beforeAll(async () => {
  stage = await openTestVolume();
  await mkdir(join(stage.dataPath, 'a/b/c'), { recursive: true });
  await writeFile(join(stage.dataPath, 'a/b/c/file'), 'in');
  await writeFile(join(stage.dataPath, 'a/beside'), 'out');
  await symlink('../beside', join(stage.dataPath, 'a/b/link'));
  below = volumeBelow(stage.volume, path('a/b'));
});
afterAll(() => stage?.close());

it('begins every path at its base, those that go in and those that come out', async () => {
  const { folderId } = stage;
  expect(await below.stat(folderId, path(''))).toMatchObject({ kind: 'directory' });
  expect(await below.stat(folderId, path('c/file'))).toMatchObject({ kind: 'file', sizeBytes: 2 });
  const page = await below.list(folderId, path(''), { limit: 10 });
  expect(page.entries.map(({ name }) => name).toSorted()).toEqual(['c', 'link']);
  const sorted = await below.listSorted(folderId, path('c'), { limit: 10, order: 'name' });
  expect(sorted.entries.map(({ name }) => name)).toEqual(['file']);
  const file = await below.open(folderId, path('c/file'));
  await file.close();
  const skipped: SkippedEntry[] = [];
  const walked: string[] = [];
  for await (const entry of below.walk(folderId, path(''), { onSkip: (one) => void skipped.push(one) })) {
    walked.push(entry.path.join('/'));
    if (entry.stat.kind === 'file') await (await entry.open()).close();
  }
  expect(walked).toEqual(['', 'c', 'c/file']);
  expect(skipped).toEqual([{ path: 'link', reason: 'symlink' }]);
});

it('has no name for what is beside its base', async () => {
  const { folderId } = stage;
  for (const outside of ['beside', 'a', 'a/beside', 'link/beside'])
    expect(await below.stat(folderId, path(outside)), outside).toBeNull();
  await expect(below.open(folderId, path('link'))).rejects.toMatchObject({ code: 'entry_not_regular' });
  expect(() => path('../beside')).toThrow('..');
});

it('is a single file where its base is one, and the whole folder where that is the root', async () => {
  const { folderId, volume } = stage;
  const file = volumeBelow(volume, path('a/b/c/file'));
  expect(await file.stat(folderId, path(''))).toMatchObject({ kind: 'file' });
  expect(await file.stat(folderId, path('x'))).toBeNull();
  expect(await volumeBelow(volume, path('')).stat(folderId, path('a/beside'))).toMatchObject({
    sizeBytes: 3,
  });
});

it('refuses paths that are too long together', async () => {
  const deep = Array.from({ length: 63 }, () => 'd').join('/');
  const look = async () => below.stat(stage.folderId, path(deep));
  await expect(look()).rejects.toMatchObject({ code: 'path_invalid' });
});
