import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createRetirement, type Retirement } from '../../../api/http/retire.ts';
import { eventually } from '../../support/eventually.ts';

let server: http.Server;
let retirement: Retirement;
let agent: http.Agent;
/** Ends the answers that wait, in the order of their requests. */
let held: (() => void)[];

beforeEach(async () => {
  held = [];
  agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  server = http.createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    if (request.url === '/held') held.push(() => response.end('held'));
    else if (request.url === '/begun') {
      response.write('begun');
      held.push(() => response.end());
    } else response.end('at once');
  });
  retirement = createRetirement(server);
  server.prependListener('request', (_request, response) => retirement.watch(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  agent.destroy();
  server.closeAllConnections();
});

function portOf(address: ReturnType<http.Server['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('The server listens on a port.');
  const { port }: AddressInfo = address;
  return port;
}

function get(path: string, options: { readonly agent?: http.Agent | false } = {}) {
  return new Promise<{ connection: string | undefined; text: string }>((resolve, reject) => {
    const request = http.get({ port: portOf(server.address()), path, agent, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ connection: response.headers.connection, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

it('answers on a kept connection once more, and says that it was the last time', async () => {
  expect((await get('/')).connection).toBe('keep-alive');
  const over = retirement.retire({ deadlineMs: 30_000, drainMs: 0, lingerMs: 30_000 });
  expect(await get('/')).toEqual({ connection: 'close', text: 'at once' });
  await over;
});

it('takes new connections while it drains and refuses them afterwards', async () => {
  const port = portOf(server.address());
  const over = retirement.retire({ deadlineMs: 30_000, drainMs: 500, lingerMs: 0 });
  expect((await get('/', { agent: false })).connection).toBe('close');
  await over;
  const refused = new Promise((_resolve, reject) => http.get({ port, agent: false }).on('error', reject));
  await expect(refused).rejects.toThrow('ECONNREFUSED');
});

it('lets what runs end, and leaves no connection open behind an answer that had begun', async () => {
  const running = [get('/held', { agent: false }), get('/begun')];
  await eventually(() => expect(held).toHaveLength(2));
  const over = retirement.retire({ deadlineMs: 600_000, drainMs: 0, lingerMs: 0 });
  await eventually(() => expect(server.listening).toBe(false));
  for (const end of held) end();
  expect((await Promise.all(running)).map(({ text }) => text)).toEqual(['held', 'begun']);
  await over;
});

it('cuts what is not over at the deadline', async () => {
  const running = get('/held');
  running.catch(() => undefined);
  await eventually(() => expect(held).toHaveLength(1));
  await retirement.retire({ deadlineMs: 50, drainMs: 0, lingerMs: 0 });
  await expect(running).rejects.toThrow('socket hang up');
});
