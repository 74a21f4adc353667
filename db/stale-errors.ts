/** What a server ends a connection with, whatever it is doing at the time. */
const endingCodes = new Set(['57P01', '57P02', '57P04', '57P05', '25P03', '25P04']);

/**
 * Whether an error is about a connection that is gone already, and not about the statement it was given to. The driver
 * keeps the last words of a server that ends a connection during a statement, tells that statement of a closed
 * connection, and fails the first statement of the connection that follows, however much later, with the words it
 * kept, in place of sending it.
 */
function isStale(error: unknown): boolean {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return false;
  return error.severity === 'FATAL' && endingCodes.has(String(error.code));
}

/** Each connection has one such error to give, so that as many repetitions as connections always suffice. */
async function repeat<T>(
  act: () => PromiseLike<T>,
  connectionsMax: number,
  mayRepeat: () => boolean = () => true,
): Promise<T> {
  for (let left = connectionsMax; ; left -= 1) {
    try {
      return await act();
    } catch (error) {
      if (left <= 0 || !isStale(error) || !mayRepeat()) throw error;
    }
  }
}

interface Statement extends PromiseLike<unknown> {
  values(): PromiseLike<unknown>;
}

type Act = (...given: readonly unknown[]) => unknown;

/** A statement that is sent when it is waited for, as the driver's are. */
function sentWhenAwaited(act: () => PromiseLike<unknown>, connectionsMax: number): PromiseLike<unknown> {
  return {
    // biome-ignore lint/suspicious/noThenProperty: the driver's statements are thenables, too.
    then: (resolve, reject) => repeat(act, connectionsMax).then(resolve, reject),
  };
}

/** Begins again only while no callback was called: with it the transaction is the caller's. */
async function beginOnce(begin: Act, given: readonly unknown[], connectionsMax: number): Promise<unknown> {
  let isBegun = false;
  const marking = given.map((argument) =>
    typeof argument === 'function'
      ? (...inner: readonly unknown[]): unknown => {
          isBegun = true;
          return Reflect.apply(argument, undefined, inner);
        }
      : argument,
  );
  return repeat(
    async () => begin(...marking),
    connectionsMax,
    () => !isBegun,
  );
}

/**
 * Makes a driver's client send what it failed with an error left over from an earlier connection, see {@link isStale}.
 * Nothing takes effect twice: what fails so was not sent, and a transaction whose callback was called is not begun
 * again. Covers `unsafe` and `begin`, which is all that drizzle uses.
 */
export function withoutStaleErrors<T extends object>(client: T, connectionsMax: number): T {
  return new Proxy(client, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || (name !== 'unsafe' && name !== 'begin')) return value;
      if (name === 'begin') {
        const begin: Act = (...given) => Reflect.apply(value, target, given);
        return (...given: readonly unknown[]) => beginOnce(begin, given, connectionsMax);
      }
      return (...given: readonly unknown[]) => {
        const make = (): Statement => Reflect.apply(value, target, given);
        return Object.assign(sentWhenAwaited(make, connectionsMax), {
          values: () => sentWhenAwaited(() => make().values(), connectionsMax),
        });
      };
    },
  });
}
