import http, { type IncomingMessage, type ServerResponse } from 'node:http';

/** An answer to whoever reads the figures. */
export interface ReaderReply {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** A port that answers reads and nothing else. */
export interface ReaderServer {
  /** @returns the port @throws the error of listen(2) */
  listen(address: { readonly port: number; readonly host: string }): Promise<number>;
  /** Cuts every connection. May be called again. */
  close(): Promise<void>;
}

/** Readers are few: Prometheus, an autoscaler, a probe. */
const connectionsMax = 32;
const headMsMax = 5_000;

function send(outgoing: ServerResponse, method: string | undefined, reply: ReaderReply): void {
  const body = Buffer.from(reply.text);
  outgoing.writeHead(reply.status, {
    'Content-Type': reply.contentType,
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(reply.status === 405 ? { Allow: 'GET, HEAD' } : {}),
  });
  outgoing.end(method === 'HEAD' ? undefined : body);
}

const plain = (status: number, text: string): ReaderReply => ({ status, contentType: 'text/plain', text });

/** Makes the server. Everything that is no read of a known path is answered 404 or 405; what `pages` reject with is 503. */
export function makeReaderServer(pages: ReadonlyMap<string, () => Promise<ReaderReply>>): ReaderServer {
  const answer = async (incoming: IncomingMessage): Promise<ReaderReply> => {
    const page = pages.get((incoming.url ?? '').split('?', 1).join());
    if (page === undefined) return plain(404, 'Not found.\n');
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') return plain(405, 'Read only.\n');
    return await page().catch(() => plain(503, 'Not available.\n'));
  };
  const server = http.createServer(
    { headersTimeout: headMsMax, requestTimeout: headMsMax, connectionsCheckingInterval: 1_000 },
    (incoming, outgoing) => {
      incoming.on('error', () => undefined);
      outgoing.on('error', () => undefined);
      incoming.resume();
      void answer(incoming).then((reply) => send(outgoing, incoming.method, reply));
    },
  );
  server.maxConnections = connectionsMax;
  return {
    listen: ({ port, host }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          // Figures are no reason to live on.
          server.unref();
          const bound = server.address();
          resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
