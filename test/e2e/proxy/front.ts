import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { SelfSigned } from '../../support/certificate.ts';

/** Does something else than pass a request on. @returns whether it did */
export type Mischief = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

/** A reverse proxy in front of a service, with the habits that such have. */
export interface Front {
  readonly url: string;
  /** Requests that came, such as `GET /folders`. */
  readonly seen: string[];
  /** Connections that came. */
  connections(): number;
  mischief: Mischief;
  /** Keeps what passes until it has all of it, in both directions. */
  isBuffering: boolean;
  /** Closes each connection after its answer without having said so. */
  isClosing: boolean;
  close(): Promise<void>;
}

/** A page of a proxy that has no service behind it. */
export function answerPage(
  outgoing: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
): void {
  const page = `<html>\n<head><title>${status}</title></head>\n<body><center>nginx</center></body>\n</html>\n`;
  outgoing
    .writeHead(status, { 'Content-Type': 'text/html', 'Content-Length': page.length, ...headers })
    .end(page);
}

/** Starts one on a free port, with TLS when it has a certificate. */
export async function startFront(target: string, tls?: SelfSigned): Promise<Front> {
  const { hostname, port } = new URL(target);
  const pass = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method, url: path, headers } = incoming;
    const body = front.isBuffering ? await buffer(incoming) : undefined;
    const onward = request({ hostname, port, path, method, headers }, (answer) => {
      const send = (content?: Buffer): void => {
        if (outgoing.destroyed) return;
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        if (content === undefined) answer.pipe(outgoing);
        else outgoing.end(content);
      };
      if (front.isBuffering) buffer(answer).then(send, () => outgoing.destroy());
      else send();
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.once('close', () => onward.destroy());
    if (body === undefined) incoming.pipe(onward);
    else onward.end(body);
  };
  const listener: RequestListener = (incoming, outgoing) => {
    front.seen.push(`${incoming.method} ${incoming.url}`);
    if (front.isClosing) outgoing.once('finish', () => setImmediate(() => incoming.socket.destroy()));
    if (front.mischief(incoming, outgoing)) return;
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  };
  let connections = 0;
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo = Object(server.address());
  const front: Front = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    seen: [],
    connections: () => connections,
    mischief: () => false,
    isBuffering: false,
    isClosing: false,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return front;
}
