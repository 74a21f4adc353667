import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildSlowStorage } from '../../../bench/slow-storage.ts';
import { hasCompiler } from '../../support/compiler.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { readZip } from './read-zip.ts';

let directory: TempDir;

beforeEach(async () => {
  directory = await createTempDir();
});
afterEach(() => directory.remove());

describe.skipIf(!hasCompiler())('a zip of files on storage that is far away', () => {
  it('is made by more threads, in the order of the walk, with every file whole', () => {
    const storage = buildSlowStorage(directory.path);
    if (typeof storage === 'string') throw new Error(storage);
    const script = fileURLToPath(new URL('./fixtures/zip-far-away.ts', import.meta.url));
    const copyPath = join(directory.path, 'copy.zip');
    const threads = execFileSync(
      process.execPath,
      ['--import', 'tsx', script, join(directory.path, 'volume'), copyPath],
      { env: { PATH: process.env.PATH, ...storage.env({ delayUs: 200 }) }, encoding: 'utf8' },
    );
    expect(Number(threads)).toBe(8);
    const expected = [0, 1, 2, 3].flatMap((top) => [
      [`d${top}`, ''],
      ...Array.from({ length: 100 }, (_, file) => [`d${top}/f${file}`, `content ${top} ${file}`]),
      [`d${top}/inner`, ''],
      [`d${top}/inner/last`, `last ${top}`],
    ]);
    const inOrder = expected.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1));
    const entries = readZip(readFileSync(copyPath)).map(({ name, content }) => [name, content.toString()]);
    expect(entries).toEqual(inOrder);
  });
});
