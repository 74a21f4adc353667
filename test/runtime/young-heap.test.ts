import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const mib = 1024 ** 2;
const fixture = fileURLToPath(new URL('./fixtures/keep-much.mjs', import.meta.url));
const youngHeap = new URL('../../runtime/young-heap.ts', import.meta.url).href;
const holding = new URL('../../runtime/hold-young-heap.ts', import.meta.url).href;

/** Bytes of young memory of a program that keeps much, once loaded and at the end. */
function sizesOf(preloads: readonly string[], args: readonly string[] = []): readonly number[] {
  const flags = preloads.flatMap((preload) => ['--import', preload]);
  const output = execFileSync(process.execPath, [...flags, fixture, ...args], { encoding: 'utf8' });
  return JSON.parse(output);
}

describe('young memory', () => {
  it('takes all it may have in a program that says nothing', () => {
    expect(sizesOf(['tsx'])[0]).toBeGreaterThan(8 * mib);
  });

  it('stays small while it is held, and grows once it may', () => {
    const [loaded, running] = sizesOf(['tsx', holding], [youngHeap]);
    expect(loaded).toBeLessThanOrEqual(8 * mib);
    expect(running).toBeGreaterThan(8 * mib);
  });
});
