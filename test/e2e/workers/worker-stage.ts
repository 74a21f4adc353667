import { type Client, createClient } from '../support/http-client.ts';
import { type Ground, layGround, prepareGround, type QueueBackend, startApi } from '../support/service.ts';
import type { Keypair } from '../support/signature.ts';
import { createUser, type TestUser } from '../support/users.ts';

/** An API without workers, its administrator and a user. */
export interface WorkerStage {
  readonly ground: Ground;
  readonly admin: Client;
  readonly ada: TestUser;
  /** A client of any keypair; without one it sends no credentials. Closed with the stage. */
  client(keypair?: Keypair): Client;
  close(): Promise<void>;
}

/** Starts them; `envOf` says what the API gets beside what belongs to its ground. */
export async function openWorkerStage(
  backend: QueueBackend,
  envOf: (ground: Ground) => Readonly<Record<string, string>> = () => ({}),
): Promise<WorkerStage> {
  const ground = await layGround({ backend });
  const clients: Client[] = [];
  await prepareGround(ground);
  const api = await startApi(ground, envOf(ground));
  const client = (keypair?: Keypair) => {
    const made = createClient(api.url, keypair);
    clients.push(made);
    return made;
  };
  const admin = client(ground.admin);
  const ada = await createUser({ administrator: admin, client }, 'ada');
  return {
    ground,
    admin,
    ada,
    client,
    close: async () => {
      for (const made of clients) made.close();
      await api.process.stop();
      await ground.remove();
    },
  };
}
