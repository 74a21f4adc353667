import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { coalesce } from '../../db/coalesce.ts';

/** Rounds that are answered by hand: each request by itself, doubled. */
function heldRounds() {
  const rounds: { readonly requests: readonly number[]; answer(): void; fail(error: unknown): void }[] = [];
  const run = (requests: readonly number[]) =>
    new Promise<readonly number[]>((resolve, reject) => {
      rounds.push({
        requests,
        answer: () => resolve(requests.map((request) => request * 2)),
        fail: reject,
      });
    });
  const round = async (index: number) => {
    while (rounds[index] === undefined) await nextTurn();
    return rounds[index];
  };
  return { run, round, sizes: () => rounds.map(({ requests }) => requests.length) };
}

const lost = Object.assign(new Error('gone'), { code: 'CONNECTION_CLOSED' });

describe('requests that travel together', () => {
  it('are those of one turn, then those that came while the round before was under way', async () => {
    const held = heldRounds();
    const ask = coalesce({ run: held.run });
    const first = [ask(1), ask(2)];
    (await held.round(0)).answer();
    const second = [ask(3), ask(4), ask(5)];
    expect(await Promise.all(first)).toEqual([2, 4]);
    (await held.round(1)).answer();
    expect(await Promise.all(second)).toEqual([6, 8, 10]);
    expect(held.sizes()).toEqual([2, 3]);
  });

  it('are repeated one by one when their round fails, so that each fails by its own fault', async () => {
    const seen: number[][] = [];
    const ask = coalesce<number, number>({
      run: async (requests) => {
        seen.push([...requests]);
        if (requests.includes(2)) throw new Error('poison');
        return requests;
      },
    });
    const outcomes = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(seen).toEqual([[1, 2, 3], [1], [2], [3]]);
    expect(await ask(4)).toBe(4);
  });

  it('are not repeated when the connection is lost: some may have taken effect', async () => {
    const held = heldRounds();
    const ask = coalesce({ run: held.run });
    const asked = Promise.allSettled([ask(1), ask(2)]);
    (await held.round(0)).fail(lost);
    expect(await asked).toMatchObject([
      { status: 'rejected', reason: lost },
      { status: 'rejected', reason: lost },
    ]);
    expect(held.sizes()).toEqual([2]);
  });

  it('have equal keys; others do not wait for them', async () => {
    const held = heldRounds();
    const ask = coalesce({ run: held.run, keyOf: (request) => String(request % 2) });
    const odd = [ask(1), ask(3)];
    const even = [ask(2), ask(4)];
    (await held.round(1)).answer();
    expect(await Promise.all(even)).toEqual([4, 8]);
    (await held.round(0)).answer();
    expect(await Promise.all(odd)).toEqual([2, 6]);
  });

  it('are no more than a statement should hold, and keep apart what must not meet', async () => {
    const held = heldRounds();
    const ask = coalesce({ run: held.run, goesWith: (others, request) => !others.includes(request) });
    const asked = [...Array.from({ length: 70 }, (_, index) => index), 5, 6].map(ask);
    for (let index = 0; index < 2; index += 1) (await held.round(index)).answer();
    expect(await Promise.all(asked)).toHaveLength(72);
    expect(held.sizes()).toEqual([64, 8]);
    const same = [1, 1, 1].map(ask);
    for (let index = 2; index < 5; index += 1) (await held.round(index)).answer();
    expect(await Promise.all(same)).toEqual([2, 2, 2]);
    expect(held.sizes()).toEqual([64, 8, 1, 1, 1]);
  });

  it('all fail when the answers are not one each', async () => {
    const ask = coalesce<number, number>({ run: async () => [] });
    const outcomes = await Promise.allSettled([ask(1), ask(2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
