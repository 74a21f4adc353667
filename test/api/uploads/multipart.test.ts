import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { multipartBoundary, readFileParts } from '../../../api/uploads/multipart.ts';
import { isDomainError } from '../../../domain/errors.ts';

/** What reading a request came to: names with digests, or the code of the refusal. */
type Reading = { files: [name: string, sha256: string, bytes: number][] } | { code: string };

let server: Server;
let port: number;
let readings: Promise<Reading>[] = [];

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    const reading = read(incoming);
    readings.push(reading);
    void reading.finally(() => outgoing.end('done'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = isAddress(address) ? address.port : 0;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function isAddress(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

async function read(incoming: Parameters<typeof readFileParts>[0]): Promise<Reading> {
  const files: [string, string, number][] = [];
  try {
    const boundary = multipartBoundary(incoming.headers['content-type']);
    for await (const part of readFileParts(incoming, boundary)) {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of part.bytes) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      files.push([part.fileName, hash.digest('hex'), bytes]);
    }
    return { files };
  } catch (error) {
    if (isDomainError(error)) return { code: error.code };
    throw error;
  }
}

/** Sends raw bytes, closes the sending side, and answers what the server made of them. */
async function send(body: Buffer, contentType: string, declared = body.length): Promise<Reading> {
  readings = [];
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${contentType}\r\nContent-Length: ${declared}\r\nConnection: close\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), body]));
  if (body.length < declared) socket.end();
  await text(socket).catch(() => '');
  const reading = await readings[0];
  if (reading === undefined) throw new Error('The request did not reach the handler.');
  return reading;
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const type = 'multipart/form-data; boundary=XyZ';

function multipart(parts: readonly { name: string; content: Buffer }[]): Buffer {
  const chunks = parts.flatMap(({ name, content }) => [
    Buffer.from(`--XyZ\r\nContent-Disposition: form-data; name="src"; filename="${name}"\r\n\r\n`),
    content,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...chunks, Buffer.from('--XyZ--\r\n')]);
}

describe('reading the files of a multipart request', () => {
  it('hands out every file whole and in order, from empty to several socket reads long', async () => {
    const parts = [0, 1, 100, 65_536, 1_500_000, 3].map((size, index) => ({
      name: `d/f${index}`,
      content: randomBytes(size),
    }));
    const expected = parts.map(({ name, content }) => [name, sha256(content), content.length]);
    expect(await send(multipart(parts), type)).toEqual({ files: expected });
  });

  it('keeps bytes that look almost like a boundary', async () => {
    const content = Buffer.from('a\r\n--Xy\r\n-XyZ\n--XyZ\r\r\n--X');
    expect(await send(multipart([{ name: 'f', content }]), type)).toMatchObject({
      files: [['f', expect.any(String), content.length]],
    });
  });

  it('reads 2,000 small files of one request', async () => {
    const parts = Array.from({ length: 2_000 }, (_, index) => ({
      name: `f${index}`,
      content: Buffer.from(String(index)),
    }));
    const reading = await send(multipart(parts), type);
    expect(reading).toHaveProperty('files.length', 2_000);
  });

  it('skips fields that are not files', async () => {
    const body = Buffer.from(
      '--XyZ\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n' +
        '--XyZ\r\nContent-Disposition: form-data; name="src"; filename="f"\r\n\r\nx\r\n--XyZ--',
    );
    expect(await send(body, type)).toEqual({ files: [['f', sha256('x'), 1]] });
  });

  it('skips file fields where nothing was chosen, and refuses content without a name', async () => {
    const nothing = { name: '', content: Buffer.alloc(0) };
    const file = { name: 'f', content: Buffer.from('x') };
    expect(await send(multipart([nothing, file, nothing]), type)).toEqual({ files: [['f', sha256('x'), 1]] });
    expect(await send(multipart([nothing]), type)).toEqual({ files: [] });
    const nameless = { name: '', content: Buffer.from('x') };
    expect(await send(multipart([file, nameless]), type)).toEqual({ code: 'path_invalid' });
  });

  it('refuses a body that ends at any byte before its closing boundary, without hanging', async () => {
    const whole = multipart([
      { name: 'a', content: Buffer.from('first') },
      { name: 'b', content: randomBytes(40) },
    ]);
    const end = whole.length - '--\r\n'.length;
    for (let length = 0; length < end; length += 1) {
      const reading = await send(whole.subarray(0, length), type);
      expect(reading, `cut at byte ${length}`).toEqual({ code: 'request_malformed' });
    }
  });

  it('tells a connection that closed early from a malformed body', async () => {
    const whole = multipart([{ name: 'a', content: randomBytes(1_000) }]);
    expect(await send(whole.subarray(0, 600), type, whole.length)).toEqual({ code: 'upload_aborted' });
  });

  it.each(['application/json', 'multipart/mixed; boundary=x', 'multipart/form-datax; boundary=x'])(
    'refuses content type %j',
    async (contentType) => {
      expect(await send(Buffer.from('{}'), contentType)).toEqual({ code: 'media_type_unsupported' });
    },
  );

  it('refuses a content type without a boundary', async () => {
    expect(await send(Buffer.from('x'), 'multipart/form-data')).toEqual({ code: 'request_malformed' });
  });

  it('refuses a body without any boundary in it', async () => {
    expect(await send(randomBytes(500), type)).toEqual({ code: 'request_malformed' });
  });
});
