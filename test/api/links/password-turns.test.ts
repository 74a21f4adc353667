import { describe, expect, it } from 'vitest';
import { createPasswordTurns, type PasswordTurn } from '../../../api/links/password-turns.ts';
import { gate } from '../../support/gate.ts';

const limits = { parallelMax: 1, waitingMax: { making: 3, using: 3 }, ofOneMax: 2 };
const making = (of: string): PasswordTurn => ({ side: 'making', of });
const using = (of: string): PasswordTurn => ({ side: 'using', of });

/** Turns of which the first is taken until `open` is called; `done` names the others in the order of their work. */
function startTurns() {
  const takeTurn = createPasswordTurns(limits);
  const { opened, open } = gate();
  const done: string[] = [];
  const under: Promise<unknown>[] = [takeTurn(making('first'), () => opened)];
  const take = (turn: PasswordTurn) => {
    const taken = takeTurn(turn, async () => void done.push(`${turn.side} ${turn.of}`));
    under.push(taken.catch(() => undefined));
    return taken;
  };
  return { take, open, done, end: () => Promise.all(under) };
}

const busy = { code: 'requests_busy' };

describe('turns of passwords', () => {
  it('are few for one user and for one link, and leave the places of others', async () => {
    const { take, open, done, end } = startTurns();
    const places = [take(making('a')), take(making('a'))];
    await expect(take(making('a'))).rejects.toMatchObject(busy);
    places.push(take(making('b')), take(using('a')), take(using('a')));
    await expect(take(using('a'))).rejects.toMatchObject(busy);
    places.push(take(using('b')));
    open();
    await Promise.all(places);
    await end();
    expect(done).toHaveLength(6);
    await expect(take(making('a'))).resolves.toBeUndefined();
  });

  it('go from side to side, so that however many make links, those who use one get in', async () => {
    const { take, open, done, end } = startTurns();
    const makers = ['a', 'b', 'c'].map((of) => take(making(of)));
    await expect(take(making('d'))).rejects.toMatchObject(busy);
    const users = ['x', 'y'].map((of) => take(using(of)));
    open();
    await Promise.all([...makers, ...users]);
    await end();
    expect(done).toEqual(['using x', 'making a', 'using y', 'making b', 'making c']);
  });

  it('are handed on by work that fails', async () => {
    const takeTurn = createPasswordTurns(limits);
    const failed = Array.from({ length: 3 }, (_, index) =>
      takeTurn(making(`f${index}`), () => Promise.reject(new Error('failed'))),
    );
    for (const { status } of await Promise.allSettled(failed)) expect(status).toBe('rejected');
    await expect(takeTurn(making('next'), async () => 'done')).resolves.toBe('done');
  });
});
