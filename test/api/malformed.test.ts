import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { basic, type CoreServer, makeKeypair, makeSecretBox, startCoreServer } from './core-server.ts';

const secrets = makeSecretBox();
let database: TestDatabase;
let server: CoreServer;
let authorization: string;
const escaped: unknown[] = [];
const remember = (error: unknown): void => {
  escaped.push(error);
};

beforeAll(async () => {
  process.on('uncaughtExceptionMonitor', remember);
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets });
  authorization = basic(await makeKeypair(database, secrets)).authorization ?? '';
});
afterAll(async () => {
  process.off('uncaughtExceptionMonitor', remember);
  await server?.close();
  await database?.close();
});

const end = '\r\nConnection: close\r\n\r\n';

/** Raw requests and the status they get; a problem each. */
const seeds: readonly (readonly [string, string, number])[] = [
  ['no Host', `GET / HTTP/1.1${end}`, 400],
  ['two Hosts of HTTP/1.0', `GET / HTTP/1.0\r\nHost: a\r\nHost: a${end}`, 400],
  ['an empty Host of HTTP/1.0', `GET / HTTP/1.0\r\nHost:${end}`, 400],
  ['an empty Host', `GET / HTTP/1.1\r\nHost:${end}`, 400],
  ['two Hosts', `GET / HTTP/1.1\r\nHost: a\r\nHost: a${end}`, 400],
  ['a Host with a path', `GET / HTTP/1.1\r\nHost: a/b${end}`, 400],
  ['a Host with credentials', `GET / HTTP/1.1\r\nHost: u@a${end}`, 400],
  ['a Host that URLs rewrite', `GET / HTTP/1.1\r\nHost: 0x7f.01:80${end}`, 400],
  ['a Host that is no URL', `GET / HTTP/1.1\r\nHost: 1.2.3.4.5${end}`, 400],
  ['a Host with a wild port', `GET / HTTP/1.1\r\nHost: a:99999${end}`, 400],
  ['HTTP/2.0 as text', `GET / HTTP/2.0\r\nHost: a${end}`, 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['no target', `GET HTTP/1.1\r\nHost: a${end}`, 400],
  ['the absolute form of another host', `GET http://b/ HTTP/1.1\r\nHost: a${end}`, 400],
  ['another scheme', `GET ftp://a/ HTTP/1.1\r\nHost: a${end}`, 400],
  ['the absolute form with credentials', `GET http://u@a/ HTTP/1.1\r\nHost: a${end}`, 400],
  ['asterisk form', `OPTIONS * HTTP/1.1\r\nHost: a${end}`, 400],
  ['CONNECT', `CONNECT a:80 HTTP/1.1\r\nHost: a${end}`, 405],
  ['double slash', `GET //livez HTTP/1.1\r\nHost: a${end}`, 400],
  ['dot segments', `GET /x/../livez HTTP/1.1\r\nHost: a${end}`, 400],
  ['encoded dot segments', `GET /x/%2e%2e/livez HTTP/1.1\r\nHost: a${end}`, 400],
  ['a backslash', `GET /x\\livez HTTP/1.1\r\nHost: a${end}`, 400],
  ['a fragment', `GET /livez#x HTTP/1.1\r\nHost: a${end}`, 400],
  ['a broken escape', `GET /%zz HTTP/1.1\r\nHost: a${end}`, 400],
  ['a broken escape in the query', `GET /livez?a=%zz HTTP/1.1\r\nHost: a${end}`, 400],
  ['overlong UTF-8', `GET /%c0%ae HTTP/1.1\r\nHost: a${end}`, 400],
  ['NUL in the path', `GET /%00 HTTP/1.1\r\nHost: a${end}`, 400],
  ['NUL in the query', `GET /livez?a=%00 HTTP/1.1\r\nHost: a${end}`, 400],
  ['a raw NUL', `GET /\0 HTTP/1.1\r\nHost: a${end}`, 400],
  ['Authorization twice', `GET /jobs HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: x${end}`, 400],
  ['Content-Type twice', `GET / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: a/b${end}`, 400],
  ['two lengths', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2${end}x`, 400],
  [
    'length and chunks',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked${end}`,
    400,
  ],
  ['chunks not last', `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip${end}`, 400],
  [
    'chunks of what is coded',
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked${end}0\r\n\r\n`,
    400,
  ],
  ['a negative length', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1${end}`, 400],
  ['a length in hex', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1${end}`, 400],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: a\nX\n\n', 400],
  ['a folded header', `GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b${end}`, 400],
  ['a space before the colon', `GET / HTTP/1.1\r\nHost : a${end}`, 400],
  ['a header without a colon', `GET / HTTP/1.1\r\nHost: a\r\nX${end}`, 400],
  ['a control character in a header', `GET / HTTP/1.1\r\nHost: a\r\nX: \x01\x7f${end}`, 400],
  ['an unknown method', `BREW / HTTP/1.1\r\nHost: a${end}`, 400],
  ['headers of 64 KiB', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65_536)}${end}`, 431],
  ['a target of 64 KiB', `GET /${'x'.repeat(65_536)} HTTP/1.1\r\nHost: a${end}`, 431],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 400],
];

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}

// mulberry32: small, seeded, good enough to choose bytes.
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mutate(bytes: Buffer, random: () => number): Buffer {
  const changed = Buffer.from(bytes);
  const at = () => Math.floor(random() * changed.length);
  for (let count = 1 + Math.floor(random() * 8); count > 0; count -= 1)
    changed[at()] = Math.floor(random() * 256);
  switch (Math.floor(random() * 3)) {
    case 0:
      return changed.subarray(0, at());
    case 1: {
      const [from, to] = [at(), at()].sort((left, right) => left - right);
      return Buffer.concat([changed, changed.subarray(from, to)]);
    }
    default:
      return changed;
  }
}

it.each(['GET /livez HTTP/1.0', 'GET /livez HTTP/1.0\r\nConnection: close'])(
  'answers a health check that names no host: %j',
  async (head) => {
    expect(statusOf(await server.sendRaw(Buffer.from(`${head}\r\n\r\n`)))).toBe(200);
  },
);

describe('a malformed request', () => {
  it.each(seeds)('with %s gets a problem', async (_name, bytes, status) => {
    const answer = await server.sendRaw(Buffer.from(bytes, 'latin1'));
    expect(statusOf(answer)).toBe(status);
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i);
    expect(answer).toMatch(/\r\nx-request-id: [\w-]{36}\r\n/i);
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    expect(JSON.parse(body)).toMatchObject({ status });
  });

  const chunked = 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n';

  it.each([
    ['a chunk size that is no number', 'zz\r\n'],
    ['a broken chunk after a sound one', '2\r\n{}\r\nzz\r\n'],
    ['a chunk without its line end', '2\r\n{}xx5\r\n'],
    ['a chunk size that overflows', 'fffffffffffffffff\r\n'],
    ['a bare carriage return after the size', '2\r{}'],
  ])('of which only the body is broken gets a problem: %s', async (_name, body) => {
    const head = `POST /folders HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n`;
    for (const pieces of [[head + chunked + body], [head + chunked, body]]) {
      const answer = await server.sendPieces(pieces);
      expect(statusOf(answer)).toBe(400);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer).toMatch(/"code":"request_malformed"/);
      expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    }
  });

  it('whose client hangs up in the middle of the body gets a problem', async () => {
    const head = `POST /folders HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n`;
    for (const body of ['Content-Length: 9\r\n\r\n{}', `${chunked}5\r\n{}`]) {
      const answer = await server.sendRaw(head + body, { hangsUp: true });
      expect(statusOf(answer)).toBe(400);
      expect(answer).toMatch(/"code":"upload_aborted"/);
    }
  });

  it('with more body than it declared is answered, and what follows is refused after it', async () => {
    const answer = await server.sendRaw(
      'GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}{"more": 1}',
    );
    const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    expect(statuses).toEqual(['200', '400']);
  });

  it('never gets a 5xx and never harms the process, for a thousand mutations', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = makeRandom(seed);
    const whole = `POST /admin/users?a=1&b=%20 HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nX-Method-Override: GET\r\nPrefer: wait=1\r\nContent-Length: 16${end}{"email": "a@b"}`;
    const chunked = `POST /admin/users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked${end}5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`;
    const originals = [
      ...seeds.map(([, bytes]) => bytes),
      ...Array.from({ length: 20 }, () => [whole, chunked]).flat(),
    ]
      .filter((bytes) => bytes.length < 2_000)
      .map((bytes) => Buffer.from(bytes, 'latin1'));
    const statuses = new Map<number, number>();
    const one = async (): Promise<void> => {
      const original = originals[Math.floor(random() * originals.length)] ?? Buffer.alloc(0);
      const mutation = mutate(original, random);
      const status = statusOf(await server.sendRaw(mutation, { hangsUp: true }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect(status, `seed ${seed}: ${JSON.stringify(mutation.toString('latin1'))}`).toBeLessThan(500);
    };
    for (let round = 0; round < 50; round += 1) await Promise.all(Array.from({ length: 20 }, one));
    expect(statuses.get(400) ?? 0, `seed ${seed}`).toBeGreaterThan(100);
    expect(server.lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(escaped).toEqual([]);
    expect((await server.send({ path: '/livez' })).status).toBe(200);
  });
});
