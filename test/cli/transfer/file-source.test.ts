import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileSource } from '../../../cli/transfer/file-source.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'file-source-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function withSource(
  content: string,
  use: (source: ReturnType<typeof fileSource>) => Promise<void>,
): Promise<void> {
  const path = join(directory, 'content');
  await writeFile(path, content);
  const file = await open(path, 'r');
  try {
    await use(fileSource(file, content.length));
  } finally {
    await file.close();
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

describe('fileSource', () => {
  it('reads one piece after the other into the same memory', () =>
    withSource('abcdefgh', async (source) => {
      const first = await source.read(0, 3);
      expect(textOf(first)).toBe('abc');
      const second = await source.read(3, 3);
      expect(textOf(second)).toBe('def');
      expect(second.buffer).toBe(first.buffer);
      expect(textOf(await source.read(6, 2))).toBe('gh');
    }));

  it('leaves a piece alone that is read again, for it may still be on its way', () =>
    withSource('abcdefgh', async (source) => {
      const first = await source.read(0, 4);
      const again = await source.read(2, 4);
      expect(textOf(again)).toBe('cdef');
      expect(textOf(first)).toBe('abcd');
      const same = await source.read(2, 4);
      expect(textOf(same)).toBe('cdef');
      expect(same.buffer).not.toBe(again.buffer);
    }));

  it('answers fewer bytes only at the end, and none behind it', () =>
    withSource('abc', async (source) => {
      expect(textOf(await source.read(1, 9))).toBe('bc');
      expect(textOf(await source.read(3, 9))).toBe('');
    }));
});
