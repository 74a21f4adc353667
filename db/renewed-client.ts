/** What is needed of a client of the driver to take its place. */
export interface EndableClient {
  end(options: { readonly timeout: number }): Promise<void>;
}

/** A client of the driver that gives way to a new one whenever it loses a connection. */
export interface RenewedClient<T> {
  readonly connectionsMax: number;
  /** The client that statements go to at the moment. */
  current(): T;
  /** Sends by the client of the moment, which lasts until the answer is there. */
  send(act: (client: T) => PromiseLike<unknown>): PromiseLike<unknown>;
  /** Waits up to `timeoutSeconds` for what is under way, then cuts the connections. */
  end(timeoutSeconds: number): Promise<void>;
}

interface Generation<T> {
  readonly client: T;
  pending: number;
  /** Connections that were refused, and whose end is still to be told. */
  refused: number;
}

/**
 * Whether a connection never was up: the server has no room, or admits nobody, or does not answer in time. Statements on a connection
 * that a server ends are told of the end, not of its last words.
 */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    ('severity' in error && error.severity === 'FATAL') ||
    ('code' in error && error.code === 'CONNECT_TIMEOUT')
  );
}

/** The driver waits in vain for connections that it lost before it was told to end them. */
const leftoverSeconds = 1;

/**
 * Opens a client, and another one each time it loses a connection. The driver goes on with what the lost one left: bytes that it was
 * about to write, behind which the start of the next connection is never sent, so that ten statements, one after the other,
 * fail only when `connect_timeout` is over. What is under way on the other connections ends where it began. A connection that never was
 * up leaves nothing, and takes none of the others with it.
 */
export function renewed<T extends EndableClient>(
  connectionsMax: number,
  open: (onclose: () => void) => T,
): RenewedClient<T> {
  const retired = new Set<Generation<T>>();
  let isEnding = false;
  const make = (): Generation<T> => {
    const generation: Generation<T> = {
      client: open(() => retire(generation)),
      pending: 0,
      refused: 0,
    };
    return generation;
  };
  let current = make();
  const endUnused = (generation: Generation<T>) => {
    if (generation.pending > 0) return;
    const forget = () => {
      retired.delete(generation);
    };
    generation.client.end({ timeout: leftoverSeconds }).then(forget, forget);
  };
  function retire(generation: Generation<T>): void {
    if (isEnding || generation !== current) return;
    if (generation.refused > 0) {
      generation.refused -= 1;
      return;
    }
    current = make();
    retired.add(generation);
    endUnused(generation);
  }
  return {
    connectionsMax,
    current: () => current.client,
    send: (act) => {
      const generation = current;
      generation.pending += 1;
      const leave = () => {
        generation.pending -= 1;
        if (retired.has(generation)) endUnused(generation);
      };
      const sent = act(generation.client);
      // The driver tells the statement before it tells of the end of its connection.
      sent.then(
        () => {
          generation.refused = 0;
          leave();
        },
        (error) => {
          if (isRefusal(error)) generation.refused += 1;
          leave();
        },
      );
      return sent;
    },
    end: async (timeoutSeconds) => {
      isEnding = true;
      await Promise.all([current, ...retired].map(({ client }) => client.end({ timeout: timeoutSeconds })));
    },
  };
}
