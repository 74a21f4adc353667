import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { socketPathOf } from '../../db/socket-path.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** Messages that a client sends before the answer to a first statement, and some more. */
const messagesMax = 6;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
});

/** How a connection ends: without a word, or with the last words of a server that an operator stops. */
const ends = {
  reset: (client: Socket) => client.resetAndDestroy(),
  told: (client: Socket) => {
    const fields = [
      'SFATAL',
      'VFATAL',
      'C57P01',
      'Mterminating connection due to administrator command',
      '',
      '',
    ];
    const text = Buffer.from(fields.join('\0'));
    const head = Buffer.alloc(5, 'E');
    head.writeInt32BE(text.length + 4, 1);
    client.end(Buffer.concat([head, text]));
  },
};

/** A way to the server on which the first connection ends in place of its n-th message. */
async function openWay(endAt: number, end: (client: Socket) => unknown) {
  const { hostname, port } = new URL(database.url);
  const path = socketPathOf(database.url);
  let isOver = false;
  const server = createServer((client) => {
    const upstream = path === undefined ? connect(Number(port), hostname) : connect(path);
    let messages = 0;
    client.on('data', (bytes) => {
      messages += 1;
      if (isOver || messages < endAt) {
        upstream.write(bytes);
        return;
      }
      isOver = true;
      end(client);
    });
    upstream.on('data', (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It listens on a port.');
  const { username, password, pathname } = new URL(database.url);
  const url = `postgres://${username}:${password}@127.0.0.1:${address.port}${pathname}`;
  return { url, close: () => server.close() };
}

const messages = Array.from({ length: messagesMax }, (_, index) => index + 1);
const cases = messages.flatMap((message) => [
  { message, how: 'reset' as const },
  { message, how: 'told' as const },
]);

it.each(cases)(
  'tells whoever asked that a connection ended at message $message ($how), and nobody else',
  async (given) => {
    const way = await openWay(given.message, ends[given.how]);
    const client = openDatabase({ url: way.url, connectionsMax: 1, applicationName: 'vfolder-test' });
    const ask = () => client.db.execute(sql`SELECT ${'one'}::text AS one`).then(() => 'answered', failureOf);
    try {
      for (const outcome of await Promise.all([ask(), ask(), ask()]))
        expect(['answered', 'lost']).toContain(outcome);
      expect(await ask()).toBe('answered');
    } finally {
      await client.close(1);
      way.close();
    }
    expect(unhandled).toEqual([]);
  },
);
