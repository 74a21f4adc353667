import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTurnClock, parseWaitMs } from '../../../storage/posix/walks/processor-wait.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

let dir: TempDir;

beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(() => dir.remove());

describe('the time that a thread stands in line for a processor', () => {
  it('is the second number of its account, and unknown where there is another text', () => {
    expect(parseWaitMs('795055 88132 3\n')).toBeCloseTo(0.088132);
    expect(parseWaitMs('0 0 0\n')).toBe(0);
    for (const text of ['', '0\n', 'a b c\n', '1 -2 3\n', '1 2 3 4\n']) expect(parseWaitMs(text)).toBeNull();
  });

  it('is told for what was done since the last time it was asked for', () => {
    const path = join(dir.path, 'schedstat');
    writeFileSync(path, '1000000 5000000 3\n');
    const clock = createTurnClock(path);
    clock.start();
    writeFileSync(path, '2000000 7500000 9\n');
    expect(clock.take()?.waitMs).toBe(2.5);
    expect(clock.take()).toEqual({ workMs: expect.any(Number), waitMs: 0 });
    writeFileSync(path, 'something else\n');
    expect(clock.take()).toBeNull();
  });

  it('is unknown where the kernel keeps no account', () => {
    const clock = createTurnClock(join(dir.path, 'missing'));
    clock.start();
    expect(clock.take()).toBeNull();
  });
});
