import { connect, type Socket } from 'node:net';

/** What came back on a raw connection. */
export interface RawAnswer {
  /** Status of the first answer that is not a 1xx; 0 when the connection closed without one. */
  readonly status: number;
  /** All bytes, as latin1. */
  readonly text: string;
}

/** Opens a connection to a service; for tests that send what no HTTP library would. */
export function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
    socket.once('error', reject);
  });
}

/**
 * Sends bytes (a text is taken as latin1) and reads until the service closes or `idleMs` (default 500) pass without a
 * byte after a whole answer. `end: false` keeps our side open, as a client that stops in the middle does.
 */
export async function exchangeRaw(
  url: string,
  bytes: string | Uint8Array,
  options: { readonly idleMs?: number; readonly timeoutMs?: number } = {},
): Promise<RawAnswer> {
  const socket = await openSocket(url);
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(total);
      clearTimeout(idle);
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      const heads = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map(([, status]) => Number(status));
      resolve({ status: heads.find((status) => status >= 200) ?? 0, text });
    };
    const total = setTimeout(finish, options.timeoutMs ?? 10_000);
    let idle: NodeJS.Timeout | undefined;
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      clearTimeout(idle);
      idle = setTimeout(finish, options.idleMs ?? 500);
    });
    socket.on('error', () => undefined);
    socket.on('close', finish);
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}
