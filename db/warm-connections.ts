import type { RenewedClient } from './renewed-client.ts';

/** Some connections of a pool, with a client of the driver for them alone. */
export type ConnectionGroup<T> = Pick<RenewedClient<T>, 'connectionsMax' | 'current' | 'send'>;

/** As many as a process mostly has statements under way at a time. */
const groupMax = 4;

/** Sizes of the groups that a pool is cut into: two small ones, and all others. A small pool is one group. */
export function groupSizes(connectionsMax: number): readonly number[] {
  const restMax = connectionsMax - 2 * groupMax;
  return restMax < groupMax ? [connectionsMax] : [groupMax, groupMax, restMax];
}

interface Statement extends PromiseLike<unknown> {
  values(): PromiseLike<unknown>;
}

/**
 * Makes one client of several groups: what is asked for goes to the first one with a connection that is free. The driver takes the
 * one that was free for longest, so that every statement would be parsed and planned on all of them, and each backend find its plans
 * gone from the processor's caches when its turn comes again. Connections that are held for long are counted as taken, and the last
 * group takes what is too much for the others. Covers `unsafe` and `begin`, which is all that drizzle uses; whatever else is asked of
 * the client is asked of the first group.
 */
export function firstFree<T extends object>(
  groups: readonly [ConnectionGroup<T>, ...ConnectionGroup<T>[]],
): T {
  const counted = groups.map((group) => ({ send: group.send, free: group.connectionsMax }));
  const [first, ...others] = groups;
  const last = others.at(-1) ?? first;
  const send = (act: (client: T) => PromiseLike<unknown>): PromiseLike<unknown> => {
    const group = counted.find(({ free }) => free > 0);
    if (group === undefined) return last.send(act);
    group.free -= 1;
    const leave = () => {
      group.free += 1;
    };
    const sent = group.send(act);
    sent.then(leave, leave);
    return sent;
  };
  return new Proxy(first.current(), {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || (name !== 'unsafe' && name !== 'begin')) return value;
      const ask = (client: T, given: readonly unknown[]) => {
        const method: unknown = Reflect.get(client, name);
        if (typeof method !== 'function') throw new Error('The groups have clients of one kind.');
        return Reflect.apply(method, client, given);
      };
      if (name === 'begin') return (...given: readonly unknown[]) => send((client) => ask(client, given));
      return (...given: readonly unknown[]) => {
        const make = (client: T): Statement => ask(client, given);
        return {
          // biome-ignore lint/suspicious/noThenProperty: the driver's statements are thenables, too.
          then: (resolve: (value: unknown) => unknown, reject: (reason: unknown) => unknown) =>
            send(make).then(resolve, reject),
          values: () => send((client) => make(client).values()),
        };
      };
    },
  });
}
