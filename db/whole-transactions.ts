import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';

type Transact = PostgresJsDatabase['transaction'];

/** Looks like a lost connection to whoever reads failures, see `failureOf`. */
class TransactionLostError extends Error {
  readonly code = 'CONNECTION_CLOSED';

  constructor() {
    super('The connection of this transaction is lost.');
    this.name = 'TransactionLostError';
  }
}

function refusing<T extends object>(tx: T, isLost: () => boolean): T {
  return new Proxy(tx, {
    get(target, name, receiver) {
      if (isLost()) throw new TransactionLostError();
      const value: unknown = Reflect.get(target, name, receiver);
      return value;
    },
  });
}

/**
 * Makes transactions end with their connection. The driver tells the caller of a loss but lets the callback go on: its
 * next statements, and the COMMIT or ROLLBACK behind it, are sent on the connection that follows, where they take effect
 * alone or end somebody else's transaction (porsager/postgres#1216). Here statements of a lost transaction throw, and the
 * driver never hears of the callback's end.
 */
export function withWholeTransactions(transact: Transact): Transact {
  return (run, config) => {
    let isLost = false;
    const work = transact(async (tx) => {
      try {
        return await run(refusing(tx, () => isLost));
      } catch (error) {
        // A statement may tell of the loss before the driver does, in the same turn.
        await nextTurn();
        throw error;
      } finally {
        if (isLost) await new Promise<never>(() => undefined);
      }
    }, config);
    work.catch(() => {
      isLost = true;
    });
    return work;
  };
}
