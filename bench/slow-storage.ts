import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from './tools.ts';

/** Storage with latency, for programs that are started with its environment; see `bench/peers/slow-storage.c`. */
export interface SlowStorage {
  /**
   * What to set for a program and whatever it starts: slow is what it reaches from its working directory, by handles and
   * below the directory of the run. `countsPath` is a file that their calls are counted in.
   */
  env(options: { readonly delayUs: number; readonly countsPath?: string }): Readonly<Record<string, string>>;
}

const nameBytes = 16;
const counterBytes = nameBytes + 8;

/** The calls that were slowed down, by kind, from the content of a file of counts. */
export function parseCounts(content: Buffer): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at + counterBytes <= content.length; at += counterBytes) {
    const name = content.toString('latin1', at, at + nameBytes).replace(/\0.*/s, '');
    if (name !== '') counts.set(name, Number(content.readBigUInt64LE(at + nameBytes)));
  }
  return counts;
}

/** All calls in a file of counts, which need not be there yet. */
export function countCalls(countsPath: string): number {
  try {
    return [...parseCounts(readFileSync(countsPath)).values()].reduce((sum, count) => sum + count, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** Compiles the library into `workDir`. @returns the reason, as a word of a note, where that is not possible */
export function buildSlowStorage(workDir: string): SlowStorage | string {
  if (!hasProgram('cc')) return 'cc is not installed';
  const isBuilt = import.meta.url.endsWith('.js');
  const place = isBuilt ? '../../bench/peers/slow-storage.c' : './peers/slow-storage.c';
  const source = fileURLToPath(new URL(place, import.meta.url));
  const library = join(workDir, 'slow-storage.so');
  const flags = ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'];
  const { status, stderr } = spawnSync('cc', flags, { encoding: 'utf8' });
  if (status !== 0) return `slow-storage.c does not compile here: ${stderr.split('\n')[0] ?? ''}`;
  return {
    env: ({ delayUs, countsPath }) => ({
      LD_PRELOAD: library,
      SLOW_STORAGE_US: String(delayUs),
      SLOW_STORAGE_ROOT: workDir,
      ...(countsPath === undefined ? {} : { SLOW_STORAGE_COUNTS: countsPath }),
    }),
  };
}
