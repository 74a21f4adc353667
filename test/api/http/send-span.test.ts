import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type SpanToSend, sendSpan } from '../../../api/http/send-span.ts';

const mib = 1024 ** 2;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function readFrom(content: Uint8Array): SpanToSend['read'] {
  return async (target, position) => {
    const part = content.subarray(position, position + target.byteLength);
    target.set(part);
    return part.byteLength;
  };
}

interface Planned {
  readonly read: SpanToSend['read'];
  readonly range: SpanToSend['range'];
  readonly access?: SpanToSend['access'];
  readonly pace?: SpanToSend['pace'];
}

const free: SpanToSend['access'] = { signal: new AbortController().signal, isOver: false };

/** A server that answers by `sendSpan`; `outcome` is how the first answer ended. */
async function serve({ read, range, access = free, pace }: Planned) {
  let settle: (outcome: boolean | Error) => void = () => undefined;
  const outcome = new Promise<boolean | Error>((resolve) => {
    settle = resolve;
  });
  const server = createServer((_incoming, outgoing: ServerResponse) => {
    outgoing.on('error', () => undefined);
    const writeHead = () => void outgoing.writeHead(200, { 'Content-Length': range.end - range.start + 1 });
    const span = { read, range, access, outgoing, writeHead, ...(pace === undefined ? {} : { pace }) };
    void sendSpan(span)
      .catch((error: unknown) => {
        if (!outgoing.headersSent) outgoing.writeHead(503).end();
        return error instanceof Error ? error : new Error(String(error));
      })
      .then(settle);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  return { outcome, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function get(port: number): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent: false }).on('response', resolve).on('error', reject).end();
  });
  response.on('error', () => undefined);
  return response;
}

/** Waits for the end of an answer, be it cut or not. */
async function ended(response: IncomingMessage): Promise<void> {
  await new Promise((resolve) => response.once('close', resolve));
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  await ended(response);
  return Buffer.concat(chunks);
}

describe('sendSpan', () => {
  const content = randomBytes(3 * mib + 17);

  it.each([
    { what: 'all of it', start: 0, end: content.length - 1 },
    { what: 'one byte', start: 5, end: 5 },
    { what: 'exactly one block', start: 7, end: 7 + mib / 2 - 1 },
    { what: 'a byte more than a block', start: 7, end: 7 + mib / 2 },
    { what: 'the last two blocks and some', start: mib, end: content.length - 1 },
  ])('sends $what', async ({ start, end }) => {
    const { port, outcome } = await serve({ read: readFrom(content), range: { start, end } });
    const response = await get(port);
    const body = await bodyOf(response);
    expect(body.equals(content.subarray(start, end + 1))).toBe(true);
    expect([response.complete, await outcome]).toEqual([true, true]);
  });

  it('keeps what a slow reader has yet to take as it was read, and reads no further ahead than two blocks', async () => {
    const large = randomBytes(24 * mib);
    let readTo = 0;
    const read: SpanToSend['read'] = async (target, position) => {
      readTo = position + target.byteLength;
      return readFrom(large)(target, position);
    };
    const { port, outcome } = await serve({ read, range: { start: 0, end: large.length - 1 } });
    const response = await get(port);
    const chunks: Buffer[] = [];
    let received = 0;
    let aheadMost = 0;
    for await (const chunk of response) {
      chunks.push(Buffer.from(chunk));
      received += chunk.length;
      aheadMost = Math.max(aheadMost, readTo - received);
      // Lets the sender run as far ahead as it likes before the next bytes are taken.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
    expect(await outcome).toBe(true);
    // The kernel holds some megabytes of a connection; what lies with us comes on top.
    expect(aheadMost).toBeLessThan(20 * mib);
  });

  it('answers requests that wait behind each other on one connection', async () => {
    const { port } = await serve({ read: readFrom(content), range: { start: 0, end: 2 * mib } });
    const socket = connect(port, '127.0.0.1');
    const count = 3;
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count - 1));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    const all = Buffer.concat(chunks);
    const body = content.subarray(0, 2 * mib + 1);
    let at = 0;
    for (let index = 0; index < count; index += 1) {
      at = all.indexOf('\r\n\r\n', at) + 4;
      expect(all.subarray(at, at + body.length).equals(body)).toBe(true);
      at += body.length;
    }
    expect(at).toBe(all.length);
  });

  it('refuses a file that cannot be read before the head, and cuts the answer after it', async () => {
    const broken = async (): Promise<never> => {
      throw new Error('planted');
    };
    const first = await serve({ read: broken, range: { start: 0, end: 10 * mib } });
    expect((await get(first.port)).statusCode).toBe(503);
    expect(await first.outcome).toMatchObject({ message: 'planted' });

    const read: SpanToSend['read'] = (target, position) =>
      position > 0 ? broken() : readFrom(content)(target, position);
    const second = await serve({ read, range: { start: 0, end: 10 * mib } });
    const response = await get(second.port);
    await bodyOf(response);
    expect([response.statusCode, response.complete]).toEqual([200, false]);
    expect(await second.outcome).toMatchObject({ message: 'planted' });
  });

  it('never ends an answer as whole when the file became shorter', async () => {
    const { port, outcome } = await serve({ read: readFrom(content), range: { start: 0, end: 4 * mib } });
    const response = await get(port);
    await bodyOf(response);
    expect(response.complete).toBe(false);
    expect(await outcome).toMatchObject({ code: 'entry_changed' });
  });

  it('ends quietly when the reader leaves, and when the right to read ends', async () => {
    const endless: SpanToSend['read'] = async (target) => target.byteLength;
    const range = { start: 0, end: Number.MAX_SAFE_INTEGER - 1 };
    const left = await serve({ read: endless, range });
    (await get(left.port)).destroy();
    expect(await left.outcome).toBe(false);

    const right = new AbortController();
    const access = { signal: right.signal, isOver: false };
    const revoked = await serve({ read: endless, range, access });
    const response = await get(revoked.port);
    response.pause();
    right.abort(new Error('Taken away.'));
    expect(await revoked.outcome).toBe(false);
    response.resume();
    await ended(response);
    expect(response.complete).toBe(false);
  });

  it('cuts the answer at once when the right ends while the volume hangs', async () => {
    const right = new AbortController();
    let isHanging: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => {
      isHanging = resolve;
    });
    const read: SpanToSend['read'] = (target, position) => {
      if (position === 0) return readFrom(content)(target, position);
      isHanging();
      return new Promise(() => undefined);
    };
    const access = { signal: right.signal, isOver: false };
    const { port, outcome } = await serve({ read, range: { start: 0, end: 2 * mib }, access });
    const response = await get(port);
    const body = bodyOf(response);
    await hanging;
    right.abort(new Error('Taken away.'));
    expect(await outcome).toBe(false);
    await body;
    expect(response.complete).toBe(false);
  });

  it('sends nothing to whom the right was taken while the first bytes were read', async () => {
    let isOver = false;
    const access = {
      signal: free.signal,
      get isOver() {
        return isOver;
      },
    };
    const read: SpanToSend['read'] = (target, position) => {
      isOver = true;
      return readFrom(content)(target, position);
    };
    const { port, outcome } = await serve({ read, range: { start: 0, end: 9 }, access });
    await expect(get(port)).rejects.toThrow();
    expect(await outcome).toBe(false);
  });

  it('cuts a reader that takes nothing', async () => {
    const endless: SpanToSend['read'] = async (target) => target.byteLength;
    const range = { start: 0, end: Number.MAX_SAFE_INTEGER - 1 };
    const { port, outcome } = await serve({ read: endless, range, pace: { windowMs: 120, bytesMin: 1 } });
    (await get(port)).pause();
    expect(await outcome).toBe(false);
  });
});
