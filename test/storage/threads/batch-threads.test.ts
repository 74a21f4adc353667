import { afterEach, describe, expect, it } from 'vitest';
import { type BatchThreads, createBatchThreads } from '../../../storage/threads/batch-threads.ts';
import { eventually } from '../../support/eventually.ts';
import type { Order, Said } from './fixtures/batch-thread.ts';

const scriptUrl = new URL('./fixtures/batch-thread.ts', import.meta.url);
const open: BatchThreads<Order, Said>[] = [];
const discarded: Said[] = [];

function start(): BatchThreads<Order, Said> {
  const threads = createBatchThreads<Order, Said>({ scriptUrl, discard: (said) => discarded.push(said) });
  open.push(threads);
  return threads;
}

function flag(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4));
}

function release(hold: Int32Array<SharedArrayBuffer>): void {
  Atomics.store(hold, 0, 1);
  Atomics.notify(hold, 0);
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((threads) => threads.close()));
  discarded.splice(0);
});

describe('threads for batches', () => {
  it('answer each task with its own result', async () => {
    const threads = start();
    const words = Array.from({ length: 100 }, (_, index) => `word ${index}`);
    const said = await Promise.all(words.map((word) => threads.run({ word })));
    expect(said.map(({ word }) => word)).toEqual(words);
    expect(await threads.run({ word: 'later' })).toMatchObject({ word: 'later' });
  });

  it('fail a task by its own fault only', async () => {
    const threads = start();
    const answers = await Promise.allSettled(['a', 'fault', 'b'].map((word) => threads.run({ word })));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('answer what waits behind a task that hangs in another thread, and run it once', async () => {
    const threads = start();
    const hold = flag();
    const runs = flag();
    await threads.run({ word: 'up' });
    const before = threads.run({ word: 'before' });
    const hanging = threads.run({ word: 'hanging', hold });
    const behind = ['b', 'c', 'd'].map((word) => threads.run({ word, runs }));
    const answers = await Promise.all([before, ...behind]);
    expect(answers.map(({ word }) => word)).toEqual(['before', 'b', 'c', 'd']);
    // The thread that hangs has what it must not touch any more.
    release(hold);
    const hung = await hanging;
    expect(answers.map(({ thread }) => thread)).not.toContain(hung.thread);
    expect(Atomics.load(runs, 0)).toBe(3);
    // It had the outcome of the first one before it hung; nobody waits for that.
    await eventually(() => expect(discarded).toMatchObject([{ word: 'before', thread: hung.thread }]));
  });

  it('go on with others while several tasks hang, and answer those in the end', async () => {
    const threads = start();
    await threads.run({ word: 'up' });
    const holds = [flag(), flag(), flag()];
    const hanging = holds.map((hold, index) => threads.run({ word: `${index}`, hold }));
    expect(await threads.run({ word: 'meanwhile' })).toMatchObject({ word: 'meanwhile' });
    holds.forEach(release);
    const said = await Promise.all(hanging);
    expect(said.map(({ word }) => word)).toEqual(['0', '1', '2']);
    expect(new Set(said.map(({ thread }) => thread)).size).toBe(3);
  });

  it('reject what a dying thread had, and go on with another', async () => {
    const threads = start();
    await expect(threads.run({ word: 'die' })).rejects.toThrow('ended before');
    expect(await threads.run({ word: 'again' })).toMatchObject({ word: 'again' });
  });

  it('reject what still runs when they are closed, and can be used again', async () => {
    const threads = start();
    const hold = flag();
    await threads.run({ word: 'up' });
    const running = threads.run({ word: 'held', hold });
    const failed = expect(running).rejects.toThrow();
    await threads.close();
    await failed;
    expect(await threads.run({ word: 'again' })).toMatchObject({ word: 'again' });
  });
});
