import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { type Answer, type Client, createClient } from '../support/http-client.ts';
import { at, textAt } from '../support/json.ts';
import { layGround, prepareGround, type QueueBackend, startApi, startWorker } from '../support/service.ts';
import { createUser, type TestUser } from '../support/users.ts';

/** What operators can set. */
export type State = 'active' | 'read_only' | 'draining';

/** Two API processes over two volumes, `east` and `west`, and workers as a test wants them. */
export interface VolumeStage {
  /** The administrator at the first API. */
  readonly admin: Client;
  /** A user at the first API. */
  readonly ada: TestUser;
  /** The same user at the second API, which hears of changes from the database. */
  readonly elsewhere: Client;
  readonly workers: TestProcess[];
  startWorker(): Promise<TestProcess>;
  /** Starts one more API; it is stopped with the others. */
  startApi(): Promise<Client>;
  set(volume: string, state: State): Promise<Answer>;
  volume(name: string): Promise<unknown>;
  /** Opens both volumes again, and waits until the second API knows. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Sets it up; `close` leaves nothing behind. */
export async function openVolumeStage(backend: QueueBackend): Promise<VolumeStage> {
  const ground = await layGround({ backend });
  const root = (name: string) => `${name}=${join(ground.volumeRoot, '..', name)}`;
  const env = {
    VFOLDER_VOLUMES: `${root('east')},${root('west')}`,
    VFOLDER_MAX_FOLDER_FILES: '100000',
    VFOLDER_TRASH_DAYS: '1',
  };
  await prepareGround({ ...ground, env: { ...ground.env, ...env } });
  const [first, second] = await Promise.all([startApi(ground, env), startApi(ground, env)]);
  const apis = [first, second];
  const workers: TestProcess[] = [];
  const clients: Client[] = [];
  const clientOf = (url: string) => (keypair?: TestUser['keypair']) => {
    const made = createClient(url, keypair);
    clients.push(made);
    return made;
  };
  const admin = clientOf(first.url)(ground.admin);
  const ada = await createUser({ administrator: admin, client: clientOf(first.url) }, 'ada');
  const elsewhere = clientOf(second.url)(ada.keypair);
  const far = clientOf(second.url)(ground.admin);
  const set = (volume: string, state: State) =>
    admin.call('PATCH', `/admin/volumes/${volume}`, { json: { state } });
  return {
    admin,
    ada,
    elsewhere,
    workers,
    set,
    startWorker: async () => {
      const worker = await startWorker(ground, env);
      workers.push(worker);
      return worker;
    },
    startApi: async () => {
      const api = await startApi(ground, env);
      apis.push(api);
      return clientOf(api.url)(ada.keypair);
    },
    volume: async (name) => (await admin.call('GET', `/admin/volumes/${name}`)).json,
    reset: async () => {
      for (const name of ['east', 'west']) await set(name, 'active');
      // Where new folders go says what an API knows; with both open it is the first.
      await eventually(async () => {
        const hosts = await far.call('GET', '/folders/_/hosts');
        const made = await far.call('GET', '/admin/volumes');
        if (textAt(hosts.json, 'default') !== 'east') throw new Error('It has not heard yet.');
        if (at(made.json, 'items', 0, 'state') !== 'active') throw new Error('It is not set yet.');
      });
    },
    close: async () => {
      for (const client of clients) client.close();
      await Promise.all([...apis.map(({ process }) => process), ...workers].map((one) => one.stop()));
      await ground.remove();
    },
  };
}
