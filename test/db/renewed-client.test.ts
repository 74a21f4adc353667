import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { renewed } from '../../db/renewed-client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

interface Line {
  readonly name: string;
  readonly sockets: Socket[];
  /** Where further connections lead, if not to the database. */
  elsewhere?: number;
  open(onclose?: () => void): postgres.Sql;
}

/** Opens clients whose sockets are at hand. */
function makeLine(name: string, connectionsMax: number): Line {
  const url = new URL(database.url);
  const path = `${decodeURIComponent(url.hostname)}/.s.PGSQL.${url.port || 5432}`;
  const sockets: Socket[] = [];
  const socket = () =>
    new Promise((resolve, reject) => {
      const { elsewhere: port } = line;
      const way = port === undefined ? { path } : { port, host: '127.0.0.1' };
      const made = connect(way, () => resolve(made)).once('error', reject);
      sockets.push(made);
    });
  const settings = { max: connectionsMax, connect_timeout: 1, fetch_types: false, socket };
  const connection = { application_name: name };
  const line: Line = {
    name,
    sockets,
    open: (onclose = () => undefined) => postgres(database.url, { ...settings, connection, onclose }),
  };
  return line;
}

/** A server without room for another connection. */
async function startFullServer(): Promise<Server> {
  const text = Buffer.from('SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0');
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(text.length + 4, 1);
  const server = createServer((socket) => socket.once('data', () => socket.end(Buffer.concat([head, text]))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function codeOf(statement: PromiseLike<unknown>): Promise<unknown> {
  try {
    await statement;
    return 'answered';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

/** Cuts the connection made last while a statement waits to be written. @returns what the statement came to */
async function cutBeforeWriting({ sockets }: Line, send: () => PromiseLike<unknown>): Promise<unknown> {
  // Behind a turn the driver's own, which writes, is a whole round of the loop away, and the socket is closed before.
  await turn();
  const lost = codeOf(send());
  sockets.at(-1)?.destroy();
  return await lost;
}

it('is needed: the driver never begins a connection again whose last bytes were not written', async () => {
  const line = makeLine('plain', 1);
  const client = line.open();
  await client`SELECT 1`;
  expect(await cutBeforeWriting(line, () => client`SELECT 2`)).toBe('CONNECTION_CLOSED');
  expect(await codeOf(client`SELECT 3`)).toBe('CONNECT_TIMEOUT');
  await client.end({ timeout: 1 });
});

it('answers the first statement behind a cut', async () => {
  const line = makeLine('renewed', 1);
  const client = renewed(1, line.open);
  const ask = () => client.send((sql) => sql`SELECT 1`);
  await ask();
  for (let cuts = 0; cuts < 5; cuts += 1) {
    expect(await cutBeforeWriting(line, ask)).toBe('CONNECTION_CLOSED');
    expect(await codeOf(ask())).toBe('answered');
  }
  await client.end(1);
});

it('lets what is under way on other connections end, and closes those then', async () => {
  const line = makeLine('two of a kind', 2);
  const client = renewed(2, line.open);
  const first = client.current();
  const lock = 4_711;
  await database.db.execute(`SELECT pg_advisory_lock(${lock})`);
  const waiting = client.send((sql) => sql`SELECT pg_advisory_lock_shared(${lock}), 'answered' AS word`);
  await client.send((sql) => sql`SELECT 1`);
  expect(line.sockets).toHaveLength(2);
  expect(await cutBeforeWriting(line, () => client.send((sql) => sql`SELECT 2`))).toBe('CONNECTION_CLOSED');
  expect(client.current()).not.toBe(first);
  expect(await codeOf(client.send((sql) => sql`SELECT 3`))).toBe('answered');
  await database.db.execute(`SELECT pg_advisory_unlock(${lock})`);
  expect(await waiting).toMatchObject([{ word: 'answered' }]);
  await eventually(() => expect(line.sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, false]));
  await client.end(1);
  expect(line.sockets.every(({ destroyed }) => destroyed)).toBe(true);
});

it('keeps its connections when the server has no room for another, and gives them up for one that it loses', async () => {
  const line = makeLine('refused', 2);
  const client = renewed(2, line.open);
  const first = client.current();
  const server = await startFullServer();
  const lock = 4_712;
  await database.db.execute(`SELECT pg_advisory_lock(${lock})`);
  const waiting = client.send((sql) => sql`SELECT pg_advisory_lock_shared(${lock}), 'answered' AS word`);
  await eventually(() => expect(line.sockets).toHaveLength(1));
  const address = server.address();
  if (address !== null && typeof address === 'object') line.elsewhere = address.port;
  for (let times = 0; times < 3; times += 1) {
    expect(await codeOf(client.send((sql) => sql`SELECT 1`))).toBe('53300');
    await eventually(() => expect(line.sockets.at(-1)?.closed).toBe(true));
    expect(client.current()).toBe(first);
  }
  await database.db.execute(`SELECT pg_advisory_unlock(${lock})`);
  expect(await waiting).toMatchObject([{ word: 'answered' }]);
  expect(await codeOf(client.send((sql) => sql`SELECT 2`))).toBe('answered');
  line.sockets[0]?.destroy();
  await eventually(() => expect(client.current()).not.toBe(first));
  await client.end(1);
  server.close();
});
