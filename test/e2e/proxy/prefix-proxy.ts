import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A reverse proxy that shows a service under a path prefix, which it takes away. */
export interface PrefixProxy {
  /** Where it listens, without the prefix. */
  readonly origin: string;
  /** Paths that were asked for without the prefix: whoever does has lost its way. */
  readonly strays: readonly string[];
  /** Where requests go from then on. */
  pointTo(url: string): void;
  close(): Promise<void>;
}

/** Starts one on a free port, as nginx is set up with `location /prefix/ { proxy_pass http://service/; }`. */
export async function startPrefixProxy(prefix: string): Promise<PrefixProxy> {
  const strays: string[] = [];
  let target: URL | undefined;
  const server = createServer((incoming, outgoing) => {
    const url = incoming.url ?? '';
    if (target === undefined || !url.startsWith(`${prefix}/`)) {
      strays.push(url);
      outgoing.writeHead(404).end('no such place');
      return;
    }
    const { hostname, port } = target;
    const path = url.slice(prefix.length);
    const { method, headers } = incoming;
    const onward = request({ hostname, port, path, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo = Object(server.address());
  return {
    origin: `http://127.0.0.1:${address.port}`,
    strays,
    pointTo: (url) => {
      target = new URL(url);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
