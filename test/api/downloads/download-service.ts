import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import http, { type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { archiveRoutes } from '../../../api/archives/routes.ts';
import { downloadRoutes } from '../../../api/downloads/routes.ts';
import { jobRoutes } from '../../../api/jobs/routes.ts';
import { openLinkBounds } from '../../../api/links/bounds.ts';
import { linkRoutes } from '../../../api/links/routes.ts';
import { createServer } from '../../../api/server.ts';
import { shareUploadStatements } from '../../../api/uploads/statements.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import { openSecretBox } from '../../../db/secret-box.ts';
import { apiVersionDefault } from '../../../domain/api-version.ts';
import { openConsumer } from '../../../jobs/consumer.ts';
import { type OpenJobClient, openJobClient } from '../../../jobs/open-job-client.ts';
import { prepareQueues } from '../../../jobs/prepare.ts';
import { folderComponents } from '../../../storage/posix/layout.ts';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { makeHandlers } from '../../../worker/handlers.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';
import { createTempDir } from '../../support/temp-dir.ts';

/** An answer with its body as it was on the wire. `isWhole` is false when the connection was cut. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly isWhole: boolean;
}

/** A user with a keypair, and a way to speak for them. */
export interface Reader {
  readonly userId: string;
  readonly accessKey: string;
  get(path: string, headers?: Record<string, string>): Promise<RawAnswer>;
  send(method: string, path: string, options?: SendOptions): Promise<RawAnswer>;
  /** For tests that read slowly or leave: the response as it begins; by a session where `cookie` is given. */
  open(path: string, cookie?: string): Promise<http.IncomingMessage>;
  /** As `open`, by what the headers prove. */
  openWith(path: string, headers: Record<string, string>): Promise<http.IncomingMessage>;
}

/** A JSON body, on any method, and headers. */
export interface SendOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A folder with its directory as a container sees it. */
export interface TestFolder {
  readonly id: string;
  readonly name: string;
  readonly data: string;
  write(path: string, content: string | Buffer): Promise<void>;
}

/** A line of the log. */
export interface LoggedLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Downloads, archives and jobs on a real server, database, queue and volume, with a worker in this process. */
export interface DownloadService {
  readonly database: TestDatabase;
  readonly volume: PosixVolume;
  readonly root: string;
  readonly jobs: OpenJobClient;
  readonly logged: LoggedLine[];
  signUp(): Promise<Reader>;
  createFolder(owner: Reader, name?: string): Promise<TestFolder>;
  close(): Promise<void>;
}

function request(
  port: number,
  authorization: string | undefined,
  method: string,
  path: string,
  options: SendOptions,
) {
  const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
  const headers = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
    ...options.headers,
  };
  return http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }).end(body);
}

function collect(sent: http.ClientRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => undefined);
      response.on('close', () => {
        const { statusCode: status = 0, headers, complete: isWhole } = response;
        resolve({ status, headers, body: Buffer.concat(chunks), isWhole });
      });
    });
  });
}

function readerOf(port: number, userId: string, pair: string): Reader {
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  const begin = (path: string, proof: string | undefined, headers = {}): Promise<http.IncomingMessage> =>
    new Promise((resolve, reject) => {
      request(port, proof, 'GET', path, { headers }).on('response', resolve).on('error', reject);
    });
  const send: Reader['send'] = (method, path, options = {}) =>
    collect(request(port, authorization, method, path, options));
  return {
    userId,
    accessKey: pair.split(':')[0] ?? '',
    send,
    get: (path, headers = {}) => send('GET', path, { headers }),
    open: (path, cookie) =>
      cookie === undefined ? begin(path, authorization) : begin(path, undefined, { cookie }),
    openWith: (path, headers) => begin(path, undefined, headers),
  };
}

/** Waits for the end of a response, a good or a bad one; `events.once` would throw at a cut. */
export function untilClosed(response: http.IncomingMessage): Promise<void> {
  response.on('error', () => undefined);
  return new Promise((resolve) => {
    if (response.closed) resolve();
    else response.on('close', resolve);
  });
}

/** Starts everything for one test file; `close` leaves nothing behind. */
export async function startDownloadService(): Promise<DownloadService> {
  const database = await createTestDatabase({ connectionsMax: 20 });
  const dir = await createTempDir();
  const volume = await openPosixVolume({ name: 'local', root: dir.path });
  const logged: DownloadService['logged'] = [];
  const logAt = (level: LoggedLine['level']) => (fields: LoggedLine['fields'], event: LoggedLine['event']) =>
    void logged.push({ level, event, fields });
  const logger = { info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
  const connection = { db: database.db, databaseUrl: database.url, redisUrl: undefined, logger };
  await prepareQueues(connection);
  const jobs = await openJobClient({ ...connection, volumes: [] });
  const volumes = new Map([['local', volume]]);
  const handlers = makeHandlers({ db: database.db, volumes, jobs, logger });
  const consumer = await openConsumer({
    ...connection,
    client: jobs,
    handlers,
    volumes: ['local'],
    queues: ['archive'],
  });
  const secrets = openSecretBox(randomBytes(32));
  const services = {
    db: database.db,
    jobs,
    uploads: shareUploadStatements({ db: database.db, jobs }),
    volumes,
    secrets,
    version: 'test',
    apiVersion: apiVersionDefault,
    isDashboardReadOnly: false,
    trashDays: 0,
  };
  const routes = [...downloadRoutes, ...archiveRoutes, ...jobRoutes, ...linkRoutes(openLinkBounds())];
  const server = createServer({ services, routes, logger });
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  return {
    database,
    volume,
    root: dir.path,
    jobs,
    logged,
    signUp: async () => {
      const userId = await insertTestUser(database.db);
      const accessKey = randomBytes(10).toString('hex').toUpperCase();
      const secretKey = randomBytes(30).toString('base64url');
      await insertKeypair(database.db, { accessKey, userId, secretSealed: secrets.seal(secretKey) });
      return readerOf(port, userId, `${accessKey}:${secretKey}`);
    },
    createFolder: async (owner, name) => {
      const folder = await insertTestFolder(database.db, {
        ownerId: owner.userId,
        ...(name === undefined ? {} : { name }),
      });
      await volume.createFolder(folder.id);
      const data = join(dir.path, 'f', ...folderComponents(folder.id), 'data');
      const write = async (path: string, content: string | Buffer) => {
        await mkdir(join(data, path, '..'), { recursive: true });
        await writeFile(join(data, path), content);
      };
      return { ...folder, data, write };
    },
    close: async () => {
      await server.close(1_000);
      await consumer.close(5_000);
      await jobs.close();
      await database.close();
      await volume.close();
      await dir.remove();
    },
  };
}
