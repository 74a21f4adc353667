import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open, truncate, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Cli, makeCli } from './run-cli.ts';

const mib = 1024 ** 2;
const program = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js');

/** Does something else than answer a PATCH as it should be. @returns whether it did */
type Mischief = (request: IncomingMessage, response: ServerResponse, patches: number) => boolean;

/** As much of the service as an upload needs, for what a real one cannot be made to do. */
interface Receiver {
  readonly url: string;
  /** What was received; only its length where `isKept` says no. */
  content(): Buffer;
  readonly seen: { bytes: number; patches: number; length: string | undefined };
  mischief: Mischief;
  isKept: boolean;
  onPatch: () => void;
  close(): void;
}

function problem(response: ServerResponse, status: number, code: string): void {
  const body = JSON.stringify({ status, code, title: code, detail: 'The volume is full.' });
  response.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(body);
}

async function startReceiver(): Promise<Receiver> {
  let kept: Buffer[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    receiver.seen.patches += 1;
    if (receiver.mischief(request, response, receiver.seen.patches)) return;
    if (Number(request.headers['upload-offset']) !== receiver.seen.bytes) {
      return problem(response, 409, 'upload_offset_mismatch');
    }
    for await (const piece of request) {
      receiver.seen.bytes += piece.byteLength;
      if (receiver.isKept) kept.push(piece);
    }
    const length = request.headers['upload-length'];
    if (length !== undefined) receiver.seen.length = String(length);
    receiver.onPatch();
    response.writeHead(204, { 'Upload-Offset': receiver.seen.bytes }).end();
  };
  const server = createServer((request, response) => {
    if (request.method === 'GET') return problem(response, 404, 'entry_not_found');
    if (request.method === 'HEAD')
      return response.writeHead(200, { 'Upload-Offset': receiver.seen.bytes }).end();
    if (request.method === 'POST') {
      const length = request.headers['upload-length'];
      if (length !== undefined) receiver.seen.length = String(length);
      return response.writeHead(201, { Location: '/uploads/u1', 'Content-Length': 0 }).end();
    }
    // A connection that is cut is what some of the tests are about.
    return void receive(request, response).catch(() => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port }: AddressInfo = Object(server.address());
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    content: () => {
      kept = [Buffer.concat(kept)];
      return kept[0] ?? Buffer.alloc(0);
    },
    seen: { bytes: 0, patches: 0, length: undefined },
    mischief: () => false,
    isKept: true,
    onPatch: () => undefined,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return receiver;
}

let dir: TempDir;
let receiver: Receiver;
let env: Record<string, string>;
let ada: Cli;

beforeEach(async () => {
  dir = await createTempDir();
  receiver = await startReceiver();
  env = { VFOLDER_TOKEN: 'token' };
  ada = makeCli({ url: receiver.url, home: dir.path, env });
});
afterEach(async () => {
  receiver.close();
  await dir.remove();
});

async function makeFile(content: Buffer): Promise<string> {
  const path = join(dir.path, 'local.bin');
  await writeFile(path, content);
  return path;
}

/** Starts the program with something to read. */
function startPut(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [program, '-q', 'put', ...args], {
    env: { PATH: process.env.PATH, HOME: dir.path, VFOLDER_URL: receiver.url, ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

function peakMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** What the program grew by between its first chunk and its last, in MiB. */
async function growth(child: ChildProcess, feed: () => Promise<unknown>): Promise<number> {
  const peaks: number[] = [];
  receiver.isKept = false;
  receiver.onPatch = () => void peaks.push(peakMiB(child.pid ?? 0));
  const ended = once(child, 'exit');
  await feed();
  const [code] = await ended;
  expect(code).toBe(0);
  expect(peaks.length).toBeGreaterThan(20);
  return Math.max(...peaks) - (peaks[0] ?? 0);
}

const sizeBytes = 400 * mib;

describe('memory does not grow with what is sent', () => {
  it('from a file', async () => {
    const path = await makeFile(Buffer.alloc(0));
    await truncate(path, sizeBytes);
    const child = startPut([path, 'f:big.bin']);
    expect(await growth(child, async () => child.stdin?.end())).toBeLessThan(24);
    expect(receiver.seen.bytes).toBe(sizeBytes);
  });

  it('from standard input, which may be of any length', async () => {
    const child = startPut(['-', 'f:big.bin']);
    const pieces = Readable.from(Array.from({ length: sizeBytes / mib }, () => Buffer.alloc(mib)));
    const { stdin } = child;
    if (stdin === null) throw new Error('There is a pipe.');
    expect(await growth(child, () => pipeline(pieces, stdin))).toBeLessThan(64);
    expect(receiver.seen).toMatchObject({ bytes: sizeBytes, length: String(sizeBytes) });
  });
});

describe.each(['a file', 'standard input'])('%s', (kind) => {
  const put = async (content: Buffer) => {
    if (kind === 'a file') return ada(['put', await makeFile(content), 'f:x.bin']);
    // The characters of this alphabet are one byte each.
    return ada(['put', '-', 'f:x.bin'], content.toString('latin1'));
  };
  const some = (size: number) => Buffer.from(randomBytes(size / 2).toString('hex'));

  it('arrives as it is when the connection is cut in the middle of a chunk, again and again', async () => {
    receiver.mischief = (request, _response, patches) => {
      if (patches % 2 === 0) return false;
      request.once('data', () => request.socket.destroy());
      return true;
    };
    const content = some(40 * mib);
    expect(await put(content)).toMatchObject({ code: 0 });
    expect(receiver.content().equals(content)).toBe(true);
    expect(receiver.seen.length).toBe(String(content.byteLength));
  });

  it('goes on in the middle of a chunk, where the service has got to', async () => {
    receiver.mischief = (request, _response, patches) => {
      if (patches !== 2) return false;
      // Some of it is kept, which the program learns by asking.
      request.once('data', (piece: Buffer) => {
        receiver.seen.bytes += piece.byteLength;
        first = piece;
        request.socket.destroy();
      });
      return true;
    };
    let first: Buffer = Buffer.alloc(0);
    const content = some(40 * mib);
    expect(await put(content)).toMatchObject({ code: 0 });
    const received = receiver.content();
    const at = 16 * mib;
    expect(first.byteLength).toBeGreaterThan(0);
    expect(first.equals(content.subarray(at, at + first.byteLength))).toBe(true);
    const rest = Buffer.concat([received.subarray(0, at), first, received.subarray(at)]);
    expect(rest.equals(content)).toBe(true);
  });

  it('is told of a refusal that comes before a chunk is sent, and ends with its code', async () => {
    receiver.mischief = (request, response, patches) => {
      if (patches !== 2) return false;
      response.once('finish', () => request.socket.end());
      problem(response, 507, 'volume_full');
      return true;
    };
    const { code, stderr } = await put(some(40 * mib));
    expect(stderr).toContain('The volume is full.');
    expect(code).toBe(7);
  });

  it('takes an answer that trickles', async () => {
    receiver.mischief = (request, _response, patches) => {
      if (patches !== 1) return false;
      request.on('data', (piece: Buffer) => {
        receiver.seen.bytes += piece.byteLength;
      });
      request.once('end', () => {
        const left = [
          ...`HTTP/1.1 204 No Content\r\nConnection: close\r\nUpload-Offset: ${receiver.seen.bytes}\r\n\r\n`,
        ];
        const next = (): void => {
          const character = left.shift();
          if (character === undefined) request.socket.end();
          else request.socket.write(character, () => setImmediate(next));
        };
        next();
      });
      return true;
    };
    expect(await put(some(20 * mib))).toMatchObject({ code: 0 });
    expect(receiver.seen.bytes).toBe(20 * mib);
  });

  it('of whole chunks ends with the length that it has', async () => {
    expect(await put(some(32 * mib))).toMatchObject({ code: 0 });
    expect(receiver.seen).toMatchObject({ bytes: 32 * mib, length: String(32 * mib) });
  });
});

it('standard input without a byte is an empty file', async () => {
  expect(await ada(['put', '-', 'f:x.bin'])).toMatchObject({ code: 0 });
  expect(receiver.seen).toEqual({ bytes: 0, patches: 1, length: '0' });
});

it('one file goes to two names at the same time, each a transfer of its own', async () => {
  const content = randomBytes(17 * mib);
  const path = await makeFile(content);
  let second: ReturnType<Cli> | undefined;
  receiver.mischief = (request, response, patches) => {
    if (patches !== 1) return false;
    second = ada(['put', path, 'f:second.bin']);
    request.resume();
    void second.then(() => problem(response, 409, 'upload_offset_mismatch'));
    return true;
  };
  expect(await ada(['put', path, 'f:first.bin'])).toMatchObject({ code: 0 });
  expect(await second).toMatchObject({ code: 0 });
  expect(receiver.content().equals(content)).toBe(true);
});

it('a file that grows while it is sent is sent as long as it was, and one that shrinks is a failure', async () => {
  const content = randomBytes(40 * mib);
  const path = await makeFile(content);
  receiver.onPatch = () => {
    receiver.onPatch = () => undefined;
    void open(path, 'a').then(async (file) => {
      await file.write(Buffer.alloc(mib));
      await file.close();
    });
  };
  expect(await ada(['put', path, 'f:x.bin'])).toMatchObject({ code: 0 });
  expect(receiver.content().equals(content)).toBe(true);
  receiver.seen.bytes = 0;
  receiver.mischief = (request, response, patches) => {
    void truncate(path, mib).then(() => {
      receiver.mischief = () => false;
      receiver.seen.bytes = 16 * mib;
      request.resume().once('end', () => response.writeHead(204).end());
    });
    return patches > 0;
  };
  const { code, stderr } = await ada(['put', '--no-resume', path, 'f:x.bin']);
  expect(stderr).toContain('became shorter');
  expect(code).not.toBe(0);
});
