import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { measureGrowth, watchPeak } from '../../bench/resident.ts';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process that takes 100 MiB when it is told to, gives them back, and says so. */
function startGreedy(): ChildProcess {
  const script = `
    process.on('message', () => {
      let taken = new Uint8Array(100 * 1024 ** 2).fill(1);
      taken = new Uint8Array(0);
      process.send('taken');
    });
    process.send('up');`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  children.push(child);
  return child;
}

async function take(child: ChildProcess): Promise<void> {
  child.send('take');
  await once(child, 'message');
}

describe('memory of processes', () => {
  it('grows by what is taken while it is watched, and only in the process that takes it', async () => {
    const greedy = startGreedy();
    const idle = startGreedy();
    await Promise.all([once(greedy, 'message'), once(idle, 'message')]);
    const pids = [greedy.pid ?? 0, idle.pid ?? 0];
    const [taken, other] = (await measureGrowth(pids, () => take(greedy))).map(
      ({ beforeMiB, peakMiB }) => peakMiB - beforeMiB,
    );
    expect(taken).toBeGreaterThan(90);
    expect(other).toBeLessThan(50);
  });

  it('is told of a process that ends', async () => {
    const greedy = startGreedy();
    await once(greedy, 'message');
    const ended = once(greedy, 'exit');
    const peak = watchPeak(greedy.pid ?? 0, ended);
    await take(greedy);
    greedy.disconnect();
    expect(await peak).toBeGreaterThan(20);
  });
});
