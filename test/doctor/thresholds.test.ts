import { describe, expect, it } from 'vitest';
import {
  judgeMemoryPolicy,
  judgeRoom,
  judgeSecretMode,
  judgeSkew,
  judgeWaiting,
} from '../../doctor/thresholds.ts';

describe('the thresholds of the doctor', () => {
  it('count a volume as full below 5 % of bytes or inodes, and one that has no inodes to count as well', () => {
    expect(judgeRoom({ free: 4, total: 100 }, 'bytes').state).toBe('bad');
    expect(judgeRoom({ free: 5, total: 100 }, 'inodes').state).toBe('ok');
    expect(judgeRoom({ free: 0, total: 0 }, 'inodes').state).toBe('ok');
  });

  it('count clocks as apart only when the round trip does not explain it', () => {
    expect(judgeSkew(1_900, 0).state).toBe('ok');
    expect(judgeSkew(-60_000, 10).state).toBe('bad');
    expect(judgeSkew(3_000, 2_500).state).toBe('ok');
  });

  it('accept only a Redis that evicts nothing and a key that nobody else reads', () => {
    expect(judgeMemoryPolicy('allkeys-lru').state).toBe('bad');
    expect(judgeMemoryPolicy('noeviction').state).toBe('ok');
    expect(judgeSecretMode(0o100640, '/k')).toMatchObject({ state: 'bad', mend: 'Run: chmod 600 /k' });
    expect(judgeSecretMode(0o100600, '/k').state).toBe('ok');
  });

  it('count work that waits for longer than five minutes', () => {
    expect(judgeWaiting(299).state).toBe('ok');
    expect(judgeWaiting(301).state).toBe('bad');
  });
});
