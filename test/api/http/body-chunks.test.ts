import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readChunks } from '../../../api/http/body-chunks.ts';
import { failBody } from '../../../api/http/body-failure.ts';
import { domainError } from '../../../domain/errors.ts';
import { eventually } from '../../support/eventually.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A request whose body is still to come, with the socket that sends it. */
async function openRequest(
  framing: string,
): Promise<{ incoming: IncomingMessage; outgoing: ServerResponse; socket: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  socket.on('error', () => undefined);
  const arrived = new Promise<[IncomingMessage, ServerResponse]>((resolve) => {
    server.once('request', (...pair: [IncomingMessage, ServerResponse]) => resolve(pair));
  });
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`);
  const [incoming, outgoing] = await arrived;
  return { incoming, outgoing, socket };
}

async function sizeOf(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.byteLength;
  return size;
}

describe('readChunks', () => {
  it('hands out all bytes', async () => {
    const { incoming, socket } = await openRequest('Content-Length: 5000000');
    socket.write(Buffer.alloc(5_000_000, 'x'));
    expect(await sizeOf(readChunks(incoming))).toBe(5_000_000);
  });

  it.each([
    { what: 'large chunks', chunk: Buffer.alloc(60_000, 'x'), count: 1_000, aheadMax: 1_300_000 },
    { what: 'single bytes', chunk: Buffer.from('x'), count: 100_000, aheadMax: 20_000 },
  ])('reads only so many $what ahead of a slow reader', async ({ chunk, count, aheadMax }) => {
    const { incoming, socket } = await openRequest('Transfer-Encoding: chunked');
    let seen = 0;
    incoming.on('data', (data: Buffer) => {
      seen += data.byteLength;
    });
    incoming.pause();
    const frame = Buffer.concat([
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ]);
    socket.write(Buffer.concat([...Array.from({ length: count }, () => frame), Buffer.from('0\r\n\r\n')]));
    const chunks = readChunks(incoming);
    await chunks.next();
    await eventually(async () => expect(incoming.isPaused()).toBe(true));
    expect(seen).toBeLessThan(aheadMax);
    expect(await sizeOf(chunks)).toBe((count - 1) * chunk.length);
  });

  it('hands out what came before the connection broke, then says so', async () => {
    const { incoming, socket } = await openRequest('Content-Length: 100000');
    const chunks = readChunks(incoming);
    socket.write(Buffer.alloc(1_000));
    expect((await chunks.next()).value).toHaveLength(1_000);
    socket.destroy();
    await expect(chunks.next()).rejects.toMatchObject({ code: 'upload_aborted' });
  });

  it('fails when the connection broke before anybody read', async () => {
    const { incoming, socket } = await openRequest('Content-Length: 100000');
    socket.destroy();
    await eventually(async () => expect(incoming.destroyed).toBe(true));
    await expect(readChunks(incoming).next()).rejects.toMatchObject({ code: 'upload_aborted' });
  });

  it('hands out nothing more of a body that was failed, and leaves the connection for the answer', async () => {
    const { incoming, outgoing, socket } = await openRequest('Content-Length: 3000000');
    const chunks = readChunks(incoming);
    socket.write(Buffer.alloc(2_000_000));
    await chunks.next();
    await eventually(async () => expect(incoming.isPaused()).toBe(true));
    failBody(incoming, domainError('upload_locked', 'Somebody else goes on.'));
    await expect(chunks.next()).rejects.toMatchObject({ code: 'upload_locked' });
    outgoing.end('answer');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('200 OK');
  });
});
