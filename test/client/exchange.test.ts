import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConnectionError, InputError, ProblemError } from '../../client/errors.ts';
import { openHttp } from '../../client/http.ts';
import { noRetries } from '../../client/retry.ts';

const mib = 1024 ** 2;
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A service that answers as told; `ends` hears of each connection that ends. */
async function serve(answer: Answer) {
  const server = createServer((request, response) => void answer(request, response));
  const connections = { begun: 0, ended: 0 };
  server.on('connection', (socket) => {
    connections.begun += 1;
    socket.once('close', () => {
      connections.ended += 1;
      server.emit('ended');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port }: AddressInfo = Object(server.address());
  const http = openHttp({
    url: `http://127.0.0.1:${port}`,
    credentials: { kind: 'none' },
    userAgent: 'test',
  });
  return { http, connections, ended: () => once(server, 'ended') };
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  const body = JSON.stringify({ status, code: 'volume_full', title: 'Full', detail: 'No room is left.' });
  response.writeHead(status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': body.length,
    ...headers,
  });
  response.end(body);
}

/** Sends a body once. @returns what came of it, and the bytes that were told as sent in the end, and at most */
async function put(http: Awaited<ReturnType<typeof serve>>['http'], bytes: Uint8Array, signal?: AbortSignal) {
  let [sent, most] = [0, 0];
  const onSent = (count: number) => {
    sent += count;
    most = Math.max(most, sent);
  };
  const options = { bytes, onSent, signal, retries: noRetries };
  const outcome = await http.send('PUT', '/x', options).catch((error: unknown) => error);
  return { outcome, sent, most };
}

describe('a body', () => {
  it.each([0, 1, 256 * 1024, 256 * 1024 + 1, 3 * mib + 7])(
    'of %d bytes arrives as it is, with its length, and is told as sent',
    async (size) => {
      const bytes = randomBytes(size);
      const { http } = await serve(async (request, response) => {
        const hash = createHash('sha256').update(await buffer(request));
        response.end(JSON.stringify([hash.digest('hex'), request.headers['content-length']]));
      });
      let sent = 0;
      const onSent = (count: number) => {
        sent += count;
      };
      const answer = await http.read('PATCH', '/x', z.array(z.string()), { bytes, onSent });
      expect(answer).toEqual([createHash('sha256').update(bytes).digest('hex'), String(size)]);
      expect(sent).toBe(size);
    },
  );

  it('goes over the connection of the one before', async () => {
    const { http, connections } = await serve((request, response) => {
      request.resume().once('end', () => response.writeHead(204).end());
    });
    for (let round = 0; round < 5; round += 1) {
      (await http.send('PUT', '/x', { bytes: Buffer.alloc(mib) })).discard();
      await http.change('POST', '/x');
      expect((await http.send('HEAD', '/x')).status).toBe(204);
    }
    expect(connections.begun).toBe(1);
  });

  it.each([
    ['reads nothing more', () => undefined],
    ['closes the connection', (request: IncomingMessage) => void request.socket.end()],
  ])(
    'that is refused early by a service that %s is not sent on, and the refusal is told',
    async (_how, then) => {
      const { http, ended } = await serve((request, response) => {
        response.once('finish', () => then(request));
        refuse(response, 507);
      });
      const over = ended();
      const { outcome, sent, most } = await put(http, Buffer.alloc(64 * mib));
      expect(outcome).toMatchObject({ status: 507, code: 'volume_full', message: 'No room is left.' });
      expect(outcome).toBeInstanceOf(ProblemError);
      expect(sent).toBe(0);
      expect(most).toBeLessThan(64 * mib);
      await over;
    },
  );

  it('waits while the service reads nothing', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { http } = await serve(async (request, response) => {
      await opened;
      request.resume().once('end', () => response.end());
    });
    let sent = 0;
    let isStill: NodeJS.Timeout | undefined;
    const onSent = (count: number) => {
      sent += count;
      // Whoever takes everything at once never lets this one run before the end.
      clearTimeout(isStill);
      isStill = setTimeout(() => {
        stoodAt = sent;
        open();
      }, 100);
    };
    let stoodAt = 0;
    const response = await http.send('PUT', '/x', { bytes: Buffer.alloc(64 * mib), onSent });
    clearTimeout(isStill);
    response.discard();
    expect(stoodAt).toBeGreaterThan(0);
    expect(stoodAt).toBeLessThan(64 * mib);
    expect(sent).toBe(64 * mib);
  });

  it('that need not be sent whole counts as sent', async () => {
    const { http } = await serve((_request, response) => response.writeHead(201).end());
    const { outcome, sent } = await put(http, Buffer.alloc(64 * mib));
    expect(outcome).toMatchObject({ status: 201 });
    expect(sent).toBe(64 * mib);
  });

  it('that is cut off in the middle is a connection error, and counts for nothing', async () => {
    const { http } = await serve((request) => void request.once('data', () => request.socket.destroy()));
    const { outcome, sent } = await put(http, Buffer.alloc(64 * mib));
    expect(outcome).toBeInstanceOf(ConnectionError);
    expect(sent).toBe(0);
  });

  it('ends with the signal, and its connection too', async () => {
    const interrupted = new AbortController();
    const { http, ended } = await serve((request) => void request.once('data', () => interrupted.abort()));
    const over = ended();
    const { outcome } = await put(http, Buffer.alloc(64 * mib), interrupted.signal);
    expect(outcome).toBe(interrupted.signal.reason);
    await over;
  });
});

describe('an answer', () => {
  it('that trickles is read whole', async () => {
    const { http } = await serve((_request, response) => {
      const left = [...Buffer.from(JSON.stringify({ text: 'schön langsam' }))];
      const next = () => {
        const byte = left.shift();
        if (byte === undefined) response.end();
        else response.write(Buffer.from([byte]), () => setImmediate(next));
      };
      next();
    });
    expect(await http.read('GET', '/x', z.unknown())).toEqual({ text: 'schön langsam' });
  });

  it('that breaks off is never taken for whole, and asked for again', async () => {
    let asked = 0;
    const { http } = await serve((_request, response) => {
      asked += 1;
      if (asked === 3) return response.end('[1]');
      return response.writeHead(200).write('[', () => response.destroy());
    });
    expect(await http.read('GET', '/x', z.array(z.number()))).toEqual([1]);
    const broken = await serve((_request, response) => response.write('[1]', () => response.destroy()));
    const response = await broken.http.send('GET', '/x');
    await expect(response.text()).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('whose reader is interrupted ends with the reason, even when all of it is here', async () => {
    const { http } = await serve((_request, response) => response.end(Buffer.alloc(128 * 1024)));
    const interrupted = new AbortController();
    const response = await http.send('GET', '/x', { signal: interrupted.signal });
    const read = async () => {
      for await (const piece of response.body) if (piece.byteLength > 0) interrupted.abort();
    };
    await expect(read()).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('that is discarded without an end does not hold the connection', async () => {
    const { http, ended } = await serve((_request, response) => void response.write('endless'));
    const over = ended();
    (await http.send('GET', '/x')).discard();
    await over;
  });

  it('of another place is not followed', async () => {
    const { http } = await serve((_request, response) => response.writeHead(302, { Location: '/y' }).end());
    await expect(http.send('GET', '/x')).rejects.toMatchObject({ status: 302 });
  });
});

it('an address with a user in it is refused, without what may be a secret', () => {
  const open = () =>
    openHttp({ url: 'http://ada:secret@127.0.0.1', credentials: { kind: 'none' }, userAgent: 'test' });
  expect(open).toThrow(InputError);
  expect(open).not.toThrow(/secret/);
});
