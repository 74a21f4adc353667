import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { socketPathOf } from '../../db/socket-path.ts';

/** A way to a database server that tests can block. */
export interface Way {
  /** As in `DATABASE_URL`. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Opens a port that leads to the server of `databaseUrl`. `guard` sees what each client sends, before it is passed on; with
 * `false` it is not passed on.
 */
export async function openWay(
  databaseUrl: string,
  guard: (client: Socket, messages: number) => boolean,
): Promise<Way> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const path = socketPathOf(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = path === undefined ? connect(Number(port), hostname) : connect(path);
    let messages = 0;
    client.on('data', (bytes) => {
      messages += 1;
      if (guard(client, messages)) upstream.write(bytes);
    });
    upstream.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It listens on a port.');
  return {
    url: `postgres://${username}:${password}@127.0.0.1:${address.port}${pathname}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
