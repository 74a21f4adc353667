import type { Server, ServerResponse } from 'node:http';
import timers from 'node:timers/promises';

/** How a server stops. Times in milliseconds. */
export interface RetireOptions {
  /** Everything is over after this long; what still runs then is cut. */
  readonly deadlineMs: number;
  /** New connections are still taken for this long, so that whoever spreads the load sees that it should not come here. */
  readonly drainMs: number;
  /** Then idle connections get this long to be used once more, as long as there are any. */
  readonly lingerMs: number;
}

/** The end of a server, as its clients notice it least. */
export interface Retirement {
  /** Takes note of an answer; call it for every one. */
  watch(outgoing: ServerResponse): void;
  /** Stops the server. Resolves when no connection is left; may be called again. */
  retire(options: RetireOptions): Promise<void>;
}

const pollMs = 25;
const looksMax = 1_000;

/**
 * Closing an idle connection meets the request that its client sends at that moment, and a client must not repeat a
 * change that got no answer. Who uses a connection is therefore told with the answer that it was the last one
 * (`Connection: close`), and only those that stay unused for a while are closed without a word.
 */
export function createRetirement(server: Server): Retirement {
  const open = new Set<ServerResponse>();
  let phase: 'up' | 'leaving' | 'closing' = 'up';
  let retiring: Promise<void> | undefined;
  const announce = (outgoing: ServerResponse) => {
    // Node writes the header from this; on an answer that has begun it would have no effect but to confuse.
    if (!outgoing.headersSent) outgoing.shouldKeepAlive = false;
  };
  const retire = async ({ deadlineMs, drainMs, lingerMs }: RetireOptions) => {
    const deadline = performance.now() + deadlineMs;
    phase = 'leaving';
    for (const outgoing of open) announce(outgoing);
    await timers.setTimeout(Math.min(drainMs, deadlineMs / 2));
    const lingerUntil = Math.min(performance.now() + lingerMs, deadline);
    while (performance.now() < lingerUntil && (await countConnections(server)) > 0) {
      await timers.setTimeout(pollMs);
    }
    await acceptWaiting(server);
    phase = 'closing';
    await close(server, Math.max(0, deadline - performance.now()));
  };
  return {
    watch: (outgoing) => {
      if (phase !== 'up') announce(outgoing);
      open.add(outgoing);
      outgoing.once('close', () => {
        open.delete(outgoing);
        // Its answer had begun before, and promised to keep the connection.
        if (phase === 'closing') setImmediate(() => server.closeIdleConnections());
      });
    },
    retire: (options) => {
      retiring ??= retire(options);
      return retiring;
    },
  };
}

/**
 * Resolves right after a look for new connections that found none: one that the system has let in and nobody has
 * accepted is reset when the server stops listening, although its client may have sent a request.
 */
async function acceptWaiting(server: Server): Promise<void> {
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  server.on('connection', count);
  for (let looks = 0, before = -1; looks < looksMax && accepted !== before; looks += 1) {
    before = accepted;
    await timers.setImmediate();
  }
  server.off('connection', count);
}

function countConnections(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((error, count) => resolve(error === null ? count : 0));
  });
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    server.closeIdleConnections();
  });
}
