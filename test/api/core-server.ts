import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../api/http/logger.ts';
import { routes as allRoutes } from '../../api/routes.ts';
import { createServer, type ServerOptions } from '../../api/server.ts';
import type { Services } from '../../api/services.ts';
import { insertKeypair } from '../../db/queries/keypairs.ts';
import { openSecretBox, type SecretBox } from '../../db/secret-box.ts';
import { apiVersionDefault } from '../../domain/api-version.ts';
import { emptyBodyHash, type SignedRequest, signRequest } from '../../domain/signature.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestUser } from '../support/factories.ts';

/** What a request was answered; header names in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A request for `send`. */
export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A keypair that exists in the database. */
export interface TestKeypair {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly userId: string;
  readonly email: string;
}

/** One line of the log. */
export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A server on a free port of the loopback, with what tests look at. */
export interface CoreServer {
  readonly port: number;
  readonly host: string;
  readonly lines: readonly LogLine[];
  send(call: Call): Promise<Answer>;
  /**
   * Writes bytes to a connection of its own and answers all that comes back until the server closes it. `hangsUp` ends
   * our side after the bytes, for those that are no whole request.
   */
  sendRaw(bytes: string | Buffer, options?: { readonly hangsUp?: boolean }): Promise<string>;
  /** As `sendRaw`, in pieces that arrive one after the other. */
  sendPieces(pieces: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** A box with a random key. */
export function makeSecretBox(): SecretBox {
  return openSecretBox(randomBytes(32));
}

/** Starts a server with the given routes (default: all) on a real database. Jobs and volumes are absent. */
export async function startCoreServer(
  database: TestDatabase,
  options: Partial<Omit<ServerOptions, 'services' | 'logger'>> & {
    readonly secrets: SecretBox;
    readonly services?: Partial<Services>;
  },
): Promise<CoreServer> {
  const { secrets, services: given, routes = allRoutes, ...rest } = options;
  const lines: LogLine[] = [];
  const log = (level: LogLine['level']) => (fields: LogLine['fields'], event: string) => {
    lines.push({ level, event, fields });
  };
  const logger: Logger = { info: log('info'), warn: log('warn'), error: log('error') };
  const absent = (): never => {
    throw new Error('There are no queues here.');
  };
  const services: Services = {
    db: database.db,
    jobs: {
      enqueue: absent,
      enqueueAll: absent,
      enqueueEach: absent,
      dispatch: absent,
      release: absent,
      wait: absent,
      watch: absent,
      cancel: absent,
      ping: async () => undefined,
      volumeStates: { stateOf: () => 'active', change: absent, subscribe: absent },
      admin: {
        queues: [],
        counts: absent,
        oldestWaiting: absent,
        jobs: absent,
        job: absent,
        setting: absent,
        change: absent,
        retry: absent,
      },
    },
    uploads: { find: absent, reserve: absent, record: absent },
    volumes: new Map(),
    secrets,
    version: '1.2.3',
    apiVersion: apiVersionDefault,
    isDashboardReadOnly: false,
    trashDays: 0,
    ...given,
  };
  const server = createServer({ services, routes, logger, ...rest });
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  return {
    port,
    host: `127.0.0.1:${port}`,
    lines,
    send: (call) => send(port, call),
    sendRaw: (bytes, options = {}) => sendRaw(port, [bytes], options.hangsUp ?? false),
    sendPieces: (pieces) => sendRaw(port, pieces, false),
    close: () => server.close(1_000),
  };
}

function send(port: number, call: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = call.body === undefined ? undefined : Buffer.from(call.body);
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const options = { host: '127.0.0.1', port, method: call.method ?? 'GET', path: call.path, agent: false };
    const request = http.request({ ...options, headers: { ...length, ...call.headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /[/+]json/.test(response.headers['content-type'] ?? '');
        const json = isJson && text !== '' ? JSON.parse(text) : {};
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function writeApart(socket: Socket, pieces: readonly (string | Buffer)[], hangsUp: boolean) {
  for (const [index, piece] of pieces.entries()) {
    // Long enough for the server to see each on its own; the order is all that matters.
    if (index > 0) await delay(20);
    socket.write(piece);
  }
  if (hangsUp) socket.end();
}

function sendRaw(port: number, pieces: readonly (string | Buffer)[], hangsUp: boolean): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => {
      void writeApart(socket, pieces, hangsUp);
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    // A reset after the answer is no answer less.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('end', () => socket.destroy());
  });
}

/** A server with the routes of the service and an empty database of its own, which goes when it is closed. */
export async function startOwnServer(): Promise<CoreServer> {
  const database = await createTestDatabase();
  const server = await startCoreServer(database, { secrets: makeSecretBox() });
  return {
    ...server,
    close: async () => {
      await server.close();
      await database.close();
    },
  };
}

/** Makes a user with a keypair. */
export async function makeKeypair(
  database: TestDatabase,
  secrets: SecretBox,
  values: { readonly role?: 'user' | 'admin'; readonly isActive?: boolean } = {},
): Promise<TestKeypair> {
  const email = `key-${randomBytes(6).toString('hex')}@example.org`;
  const userId = await insertTestUser(database.db, { ...values, email });
  const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  const secretKey = randomBytes(30).toString('base64url');
  await insertKeypair(database.db, { accessKey, userId, secretSealed: secrets.seal(secretKey) });
  return { accessKey, secretKey, userId, email };
}

/** `Authorization: Basic` of a keypair. */
export function basic(keypair: Pick<TestKeypair, 'accessKey' | 'secretKey'>): Record<string, string> {
  const pair = Buffer.from(`${keypair.accessKey}:${keypair.secretKey}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** Headers that sign a call as a published client of API version v4 does. `changes` are made before it is signed. */
export function signed(
  server: Pick<CoreServer, 'host'>,
  keypair: Pick<TestKeypair, 'accessKey' | 'secretKey'>,
  call: Call,
  changes: Partial<SignedRequest> & { readonly dayKey?: string } = {},
): Record<string, string> {
  const { dayKey, ...rest } = changes;
  const date = rest.date ?? new Date().toISOString();
  const request: SignedRequest = {
    method: call.method ?? 'GET',
    target: call.path,
    date,
    host: server.host,
    contentType: 'application/json',
    versionHeader: 'x-backendai-version',
    version: 'v4.20190615',
    bodyHash: emptyBodyHash,
    ...rest,
  };
  const key = { secret: keypair.secretKey, dayKey: dayKey ?? date.slice(0, 10).replaceAll('-', '') };
  return {
    date,
    'content-type': request.contentType,
    ...(request.version === '' ? {} : { [request.versionHeader]: request.version }),
    authorization: `BackendAI signMethod=HMAC-SHA256, credential=${keypair.accessKey}:${signRequest(request, key)}`,
  };
}
