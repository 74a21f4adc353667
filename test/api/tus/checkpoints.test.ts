import { describe, expect, it } from 'vitest';
import { openCheckpoints } from '../../../api/tus/checkpoints.ts';

/** Something that ends when it is told to. */
function openEnd() {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const ended = new Promise<void>((onEnd, onFailure) => {
    resolve = onEnd;
    reject = onFailure;
  });
  return { ended, resolve, reject };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  const first = await Promise.race([
    promise.catch(() => undefined),
    new Promise((resolve) => setImmediate(resolve, pending)),
  ]);
  return first !== pending;
}

describe('openCheckpoints', () => {
  it('lets the stream go on while a checkpoint runs, and wait where the next one is due', async () => {
    const checkpoints = openCheckpoints({ everyBytes: 10, fromBytes: 100 });
    const ends = [openEnd(), openEnd()];
    const taken: number[] = [];
    const pass = (toBytes: number) =>
      checkpoints.pass(toBytes, async () => {
        const end = ends[taken.length];
        taken.push(toBytes);
        await end?.ended;
      });
    await pass(109);
    expect(taken).toEqual([]);
    await pass(112);
    await pass(121);
    expect(taken).toEqual([112]);
    const next = pass(122);
    expect(await isSettled(next)).toBe(false);
    expect(taken).toEqual([112]);
    ends[0]?.resolve();
    await next;
    expect(taken).toEqual([112, 122]);
    const settling = checkpoints.settle();
    expect(await isSettled(settling)).toBe(false);
    ends[1]?.resolve();
    await settling;
  });

  it('fails the stream at its next step, and at the end, with what a checkpoint failed with', async () => {
    const checkpoints = openCheckpoints({ everyBytes: 1, fromBytes: 0 });
    const end = openEnd();
    await checkpoints.pass(1, () => end.ended);
    const waiting = checkpoints.pass(2, async () => undefined);
    end.reject(new Error('planted'));
    await expect(waiting).rejects.toThrow('planted');
    await expect(checkpoints.pass(2, async () => undefined)).rejects.toThrow('planted');
    await expect(checkpoints.settle()).rejects.toThrow('planted');
  });
});
