import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type BodyToSend, sendBody } from '../../../api/http/send-body.ts';
import { openUnsentBytes } from '../../../runtime/unsent-bytes.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that answers one request by `sendBody`; `outcome` is how that ended. */
async function serve(makeBody: (outgoing: ServerResponse) => Omit<BodyToSend, 'outgoing'>) {
  let settle: (outcome: boolean | Error) => void = () => undefined;
  const outcome = new Promise<boolean | Error>((resolve) => {
    settle = resolve;
  });
  const server = createServer((_incoming, outgoing) => {
    outgoing.writeHead(200);
    sendBody({ ...makeBody(outgoing), outgoing }).then(settle, settle);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent: false }).on('response', resolve).on('error', reject).end();
  });
  response.on('error', () => undefined);
  return { response, outcome };
}

function endless(): Readable {
  return new Readable({
    highWaterMark: 256 * 1024,
    read() {
      this.push(Buffer.alloc(256 * 1024));
    },
  });
}

const never = new AbortController().signal;

describe('sendBody', () => {
  it('hands over every byte and ends the answer', async () => {
    const source = Readable.from([Buffer.alloc(1_000_000, 'a'), Buffer.alloc(3, 'b')], { objectMode: false });
    const { response, outcome } = await serve(() => ({ source, signal: never, sizeBytes: 1_000_003 }));
    let received = 0;
    for await (const chunk of response) received += chunk.length;
    expect([received, response.complete, await outcome]).toEqual([1_000_003, true, true]);
  });

  it.each([10, 1_000])(
    'cuts an answer whose body has another length than promised (%d)',
    async (sizeBytes) => {
      const source = Readable.from([Buffer.alloc(100)], { objectMode: false });
      const { response, outcome } = await serve(() => ({ source, signal: never, sizeBytes }));
      response.resume();
      expect(await outcome).toBeInstanceOf(Error);
      await new Promise((resolve) => response.on('close', resolve));
      expect(response.complete).toBe(false);
    },
  );

  it('cuts the answer and passes the error on when the source fails', async () => {
    const source = Readable.from(
      (async function* () {
        yield Buffer.alloc(100_000);
        throw new Error('planted');
      })(),
      { objectMode: false },
    );
    const { response, outcome } = await serve(() => ({ source, signal: never }));
    response.resume();
    expect(await outcome).toMatchObject({ message: 'planted' });
    await new Promise((resolve) => response.on('close', resolve));
    expect(response.complete).toBe(false);
  });

  it('ends quietly and destroys the source when the reader leaves', async () => {
    const source = endless();
    const { response, outcome } = await serve(() => ({ source, signal: never }));
    await once(response, 'data');
    response.destroy();
    expect(await outcome).toBe(false);
    expect(source.destroyed).toBe(true);
  });

  it('ends when the signal does, even before the first byte', async () => {
    const source = endless();
    const stop = new AbortController();
    const { response, outcome } = await serve(() => ({ source, signal: stop.signal }));
    await once(response, 'data');
    response.pause();
    stop.abort();
    expect(await outcome).toBe(false);
    expect(source.destroyed).toBe(true);
    const early = await serve((outgoing) => {
      outgoing.write('x');
      return { source: endless(), signal: AbortSignal.abort() };
    }).catch(() => undefined);
    expect(early === undefined ? false : await early.outcome).toBe(false);
  });

  it('cuts a reader that takes nothing, and one that is slower than the pace', async () => {
    const stalled = endless();
    const first = await serve(() => ({
      source: stalled,
      signal: never,
      pace: { windowMs: 120, bytesMin: 1 },
    }));
    first.response.pause();
    expect(await first.outcome).toBe(false);
    expect(stalled.destroyed).toBe(true);

    const slow = endless();
    const second = await serve(() => ({
      source: slow,
      signal: never,
      pace: { windowMs: 420, bytesMin: 1024 ** 3 },
    }));
    // Takes a little now and then, never enough.
    const timer = setInterval(() => second.response.read(1), 50);
    closers.push(async () => clearInterval(timer));
    expect(await second.outcome).toBe(false);
    expect(slow.destroyed).toBe(true);
  });

  it('bears a slow reader whose bytes lie with the kernel for many windows, where the kernel tells', async () => {
    const slowest = 1024 * 1024;
    const taking = async (unsentBytes?: BodyToSend['unsentBytes']) => {
      // A part of what the reader takes is asked for; the kernel takes many times as much at once, and acknowledges it in
      // lumps of half the receive window, some megabytes.
      const pace = { windowMs: 1_800, bytesMin: slowest / 8 };
      const source = endless();
      const { response, outcome } = await serve(() => ({ source, signal: never, pace, unsentBytes }));
      const { socket } = response;
      response.pause();
      const timer = setInterval(() => {
        for (let taken = 0; taken < slowest / 4; ) {
          const chunk: unknown = response.read();
          if (!Buffer.isBuffer(chunk)) break;
          taken += chunk.length;
        }
      }, 100);
      closers.push(async () => clearInterval(timer));
      const ended = await Promise.race([
        outcome,
        new Promise((resolve) => setTimeout(resolve, 7_000, 'goes on')),
      ]);
      socket.destroy();
      return ended;
    };
    expect(await taking(openUnsentBytes(50))).toBe('goes on');
  });

  it('bears a reader that keeps the pace for many windows, and a source that is slow itself', async () => {
    const pace = { windowMs: 300, bytesMin: 1_000 };
    const { response, outcome } = await serve(() => ({ source: endless(), signal: never, pace }));
    let taken = 0;
    const timer = setInterval(() => {
      taken += response.read(response.readableLength)?.length ?? 0;
    }, 10);
    closers.push(async () => clearInterval(timer));
    const drip = Readable.from(
      (async function* () {
        for (let count = 0; count < 5; count += 1) {
          await new Promise((resolve) => setTimeout(resolve, 200));
          yield Buffer.from('x');
        }
      })(),
      { objectMode: false },
    );
    const second = await serve(() => ({ source: drip, signal: never, pace }));
    second.response.resume();
    expect(await second.outcome).toBe(true);
    expect(taken).toBeGreaterThan(1_000_000);
    response.destroy();
    expect(await outcome).toBe(false);
  });
});
