import type { SecretBox } from '../../db/secret-box.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  type Answer,
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  startCoreServer,
  type TestKeypair,
} from './core-server.ts';

/** A server with a database of its own and an administrator. */
export interface AdminServer {
  readonly database: TestDatabase;
  readonly secrets: SecretBox;
  readonly server: CoreServer;
  readonly admin: TestKeypair;
  /** Sends a request with a JSON body as the administrator, or with `keypair`. */
  ask(method: string, path: string, body?: unknown, keypair?: TestKeypair): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts it; `close` leaves nothing behind. */
export async function startAdminServer(): Promise<AdminServer> {
  const secrets = makeSecretBox();
  const database = await createTestDatabase();
  const server = await startCoreServer(database, { secrets });
  const admin = await makeKeypair(database, secrets, { role: 'admin' });
  return {
    database,
    secrets,
    server,
    admin,
    ask: (method, path, body = {}, keypair = admin) =>
      server.send({ method, path, headers: basic(keypair), body: JSON.stringify(body) }),
    close: async () => {
      await server.close();
      await database.close();
    },
  };
}
