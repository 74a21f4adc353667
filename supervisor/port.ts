import { createServer } from 'node:net';
import { ConfigError } from '../runtime/config-error.ts';

/**
 * Makes sure that the API can listen, before anything is started.
 * @returns the port, a free one for 0
 * @throws ConfigError naming PORT or HOST
 */
export async function probePort(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(refused(host, port, error)));
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}

function refused(host: string, port: number, cause: NodeJS.ErrnoException): ConfigError {
  if (cause.code === 'EADDRINUSE') {
    return new ConfigError(
      `PORT ${port} is in use on ${host}: set PORT to another number, or to 0 for any free one.`,
      { cause },
    );
  }
  if (cause.code === 'EACCES') {
    return new ConfigError(`PORT ${port} is reserved for root: set PORT to a number above 1023.`, { cause });
  }
  return new ConfigError(
    `HOST ${host} is no address of this machine: set HOST to one, such as 127.0.0.1 or 0.0.0.0.`,
    { cause },
  );
}

/** The url people use for a server that listens on `host`; an address for all interfaces becomes loopback. */
export function urlOf(host: string, port: number): string {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
