import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildSlowStorage, countCalls, parseCounts } from '../../bench/slow-storage.ts';
import { hasCompiler } from '../support/compiler.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slow-storage-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function counter(name: string, count: bigint): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.write(name, 'latin1');
  bytes.writeBigUInt64LE(count, 16);
  return bytes;
}

describe('counts of slowed calls', () => {
  it('are read by name; what has no name and what is cut off counts nothing', () => {
    const content = Buffer.concat([
      counter('open', 3n),
      counter('', 9n),
      counter('stat', 40n),
      Buffer.alloc(7, 1),
    ]);
    expect([...parseCounts(content)]).toEqual([
      ['open', 3],
      ['stat', 40],
    ]);
  });

  it('are none before the first program has run', () => {
    expect(countCalls(join(directory, 'missing'))).toBe(0);
  });
});

// Where no compiler is, the rows of the bench are skipped, too.

describe.skipIf(!hasCompiler())('storage with latency', () => {
  it('counts what programs of others and of ours ask of it, children with an environment of their own included, and no pipe', () => {
    const storage = buildSlowStorage(directory);
    if (typeof storage === 'string') throw new Error(storage);
    for (let index = 0; index < 20; index += 1) writeFileSync(join(directory, `file-${index}`), 'x');
    const countOf = (program: string, args: readonly string[]) => {
      const countsPath = join(directory, 'counts');
      rmSync(countsPath, { force: true });
      const env = { PATH: process.env.PATH, ...storage.env({ delayUs: 1, countsPath }) };
      execFileSync(program, args, { cwd: directory, env });
      return parseCounts(readFileSync(countsPath));
    };
    const files = Array.from({ length: 20 }, (_, index) => `file-${index}`);
    const looks = `for (const name of ${JSON.stringify(files)}) require('node:fs').lstatSync(name)`;
    const child = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(looks)}], { env: {} })`;
    const idle = countOf(process.execPath, ['-e', '0']).get('stat') ?? 0;
    expect((countOf(process.execPath, ['-e', looks]).get('stat') ?? 0) - idle).toBe(20);
    expect((countOf(process.execPath, ['-e', child]).get('stat') ?? 0) - 2 * idle).toBe(20);
    const piped = `const fs = require('node:fs'); const names = ${JSON.stringify(files)};
      names.map((name) => fs.openSync(name)).forEach((fd) => fs.closeSync(fd));
      require('node:child_process').spawnSync('cat', [], { input: 'x' })`;
    expect(countOf(process.execPath, ['-e', piped]).get('write')).toBe(0);
    expect(countOf('rm', ['-f', ...files]).get('unlink')).toBe(20);
  });
});
