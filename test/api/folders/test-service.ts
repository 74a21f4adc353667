import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { folderFileRoutes } from '../../../api/folders/files/routes.ts';
import { memberRoutes } from '../../../api/folders/members/routes.ts';
import { folderRoutes } from '../../../api/folders/routes.ts';
import { invitationRoutes } from '../../../api/invitations/routes.ts';
import type { Route } from '../../../api/route.ts';
import { createServer } from '../../../api/server.ts';
import type { Services } from '../../../api/services.ts';
import { shareUploadStatements } from '../../../api/uploads/statements.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import { policies } from '../../../db/schema/policies.ts';
import { users } from '../../../db/schema/users.ts';
import { openSecretBox } from '../../../db/secret-box.ts';
import { apiVersionDefault } from '../../../domain/api-version.ts';
import { openJobClient } from '../../../jobs/open-job-client.ts';
import { openPosixVolume } from '../../../storage/posix/posix-volume.ts';
import type { Volume } from '../../../storage/volume.ts';
import { createTestDatabase } from '../../support/database.ts';
import { insertTestUser } from '../../support/factories.ts';
import { createTempDir } from '../../support/temp-dir.ts';

/** What a request was answered. `json` is `undefined` for an empty body. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly json: unknown;
}

/** What to send besides method and path; any method may carry a JSON body. */
export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Someone who speaks HTTP to the server. */
export interface Speaker {
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

/** A user with a keypair. */
export interface Caller extends Speaker {
  readonly userId: string;
  readonly email: string;
  readonly accessKey: string;
}

/** Limits of a user's own policy, and an address of choice. */
export interface SignUp {
  readonly email?: string;
  readonly foldersMax?: number;
  readonly folderBytesMax?: number;
  readonly folderFilesMax?: number;
}

/** The folder and invitation routes on a real server, database, queue and volume. */
export interface TestService {
  readonly services: Services;
  readonly volume: Volume;
  /** Where the volume lies, for tests that play a program in a container. */
  readonly root: string;
  readonly anonymous: Speaker;
  signUp(values?: SignUp): Promise<Caller>;
  /** Ids of the folder directories on the volume. */
  listStoredFolders(): Promise<string[]>;
  close(): Promise<void>;
}

const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

const routesUsual = [...folderRoutes, ...folderFileRoutes, ...memberRoutes, ...invitationRoutes];

/** Starts the service for one test file, with other routes if they are given; `close` leaves nothing behind. */
export async function startTestService(routes: readonly Route[] = routesUsual): Promise<TestService> {
  const database = await createTestDatabase({ connectionsMax: 20 });
  const dir = await createTempDir();
  const volume = await openPosixVolume({ name: 'local', root: dir.path });
  const jobs = await openJobClient({
    db: database.db,
    databaseUrl: database.url,
    redisUrl: undefined,
    volumes: [],
    logger: silent,
  });
  const services: Services = {
    db: database.db,
    jobs,
    uploads: shareUploadStatements({ db: database.db, jobs }),
    volumes: new Map([['local', volume]]),
    secrets: openSecretBox(randomBytes(32)),
    version: 'test',
    apiVersion: apiVersionDefault,
    isDashboardReadOnly: false,
    trashDays: 0,
  };
  const server = createServer({ services, routes, logger: silent });
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  return {
    services,
    volume,
    root: dir.path,
    anonymous: { call: (method, path, options) => send(port, { method, path, ...options }) },
    signUp: (values) => signUp(services, port, values ?? {}),
    listStoredFolders: async () => {
      const found: string[] = [];
      for await (const batch of volume.listFolders()) found.push(...batch.map(({ id }) => id));
      return found.toSorted();
    },
    close: async () => {
      await server.close(1_000);
      await jobs.close();
      await database.close();
      await volume.close();
      await dir.remove();
    },
  };
}

async function signUp(services: Services, port: number, values: SignUp): Promise<Caller> {
  const { db, secrets } = services;
  const { email = `caller-${randomBytes(6).toString('hex')}@example.org`, ...limits } = values;
  const userId = await insertTestUser(db, { email });
  if (Object.keys(limits).length > 0) {
    const policyName = uuidv7();
    await db.insert(policies).values({ name: policyName, ...limits });
    await db.update(users).set({ policyName }).where(eq(users.id, userId));
  }
  const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  const secret = randomBytes(20).toString('hex');
  await insertKeypair(db, { accessKey, userId, secretSealed: secrets.seal(secret) });
  const authorization = `Basic ${Buffer.from(`${accessKey}:${secret}`).toString('base64')}`;
  return {
    userId,
    email,
    accessKey,
    call: (method, path, options = {}) => {
      const headers = { Authorization: authorization, ...options.headers };
      return send(port, { method, path, ...options, headers });
    },
  };
}

// Not fetch, which refuses bodies on GET; published clients send them.
function send(port: number, call: CallOptions & { method: string; path: string }): Promise<Answer> {
  const text = call.body === undefined ? '' : JSON.stringify(call.body);
  const typed =
    text === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  const { method, path } = call;
  const headers = { ...typed, ...call.headers };
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const json: unknown = body === '' ? undefined : JSON.parse(body);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: body, json });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

const listing = z.object({ items: z.array(z.record(z.string(), z.unknown())) });

/** The `items` of a reply. */
export function itemsOf(answer: Answer): Record<string, unknown>[] {
  return listing.parse(answer.json).items;
}
