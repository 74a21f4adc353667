import type { Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openWay } from '../support/way.ts';

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
    return client.end(Buffer.concat([head, text]));
  },
};

const messages = Array.from({ length: messagesMax }, (_, index) => index + 1);
const cases = messages.flatMap((message) => [
  { message, how: 'reset' as const },
  { message, how: 'told' as const },
]);

it.each(cases)(
  'tells whoever asked that a connection ended at message $message ($how), and nobody else',
  async (given) => {
    let isOver = false;
    const way = await openWay(database.url, (socket, message) => {
      if (isOver || message < given.message) return true;
      isOver = true;
      ends[given.how](socket);
      return false;
    });
    const client = openDatabase({ url: way.url, connectionsMax: 1, applicationName: 'vfolder-test' });
    const ask = () => client.db.execute(sql`SELECT ${'one'}::text AS one`).then(() => 'answered', failureOf);
    try {
      for (const outcome of await Promise.all([ask(), ask(), ask()]))
        expect(['answered', 'lost']).toContain(outcome);
      expect(await ask()).toBe('answered');
    } finally {
      await client.close(1);
      await way.close();
    }
    expect(unhandled).toEqual([]);
  },
);
