import { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import {
  keypairModel,
  type Queue,
  queueModel,
  type User,
  userModel,
  type Worker,
  workerModel,
} from './models.ts';

const readinessModel = z.looseObject({
  status: z.string(),
  database: z.string(),
  volumes: z.record(z.string(), z.unknown()),
});
const queuesModel = z.looseObject({ items: z.array(queueModel) });
const userPage = z.looseObject({ items: z.array(userModel), next_cursor: z.string().nullable() });
const workersModel = z.looseObject({ items: z.array(workerModel) });

/** Whether each part of the service can be used. */
export type Readiness = z.infer<typeof readinessModel>;

/** What administrators do. */
export interface AdminApi {
  readiness(): Promise<Readiness>;
  users(): Promise<User[]>;
  createUser(email: string): Promise<User>;
  createKeypair(user: string): Promise<z.infer<typeof keypairModel>>;
  queues(): Promise<Queue[]>;
  pauseQueue(name: string, isPaused: boolean): Promise<void>;
  /** Gives every failed job of a queue another go. */
  retryFailed(name: string): Promise<void>;
  workers(): Promise<Worker[]>;
  /** Asks a worker to take no more jobs, or to take some again. */
  drainWorker(id: string, isDraining: boolean): Promise<void>;
}

async function listUsers(http: Http): Promise<User[]> {
  const users: User[] = [];
  let cursor: string | undefined;
  do {
    const page = await http.read('GET', '/admin/users', userPage, { query: { cursor } });
    users.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return users;
}

/** Opens the administration of the service. */
export function openAdmin(http: Http): AdminApi {
  const change = async (method: string, path: string, json?: unknown) => {
    const response = await http.send(method, path, json === undefined ? {} : { json });
    await response.body?.cancel();
  };
  return {
    readiness: () => http.read('GET', '/readyz', readinessModel, { accepts: [503] }),
    users: () => listUsers(http),
    createUser: (email) => http.read('POST', '/admin/users', userModel, { json: { email } }),
    createKeypair: (user) => http.read('POST', '/admin/keypairs', keypairModel, { json: { user } }),
    queues: async () => (await http.read('GET', '/admin/queue-settings', queuesModel)).items,
    pauseQueue: (name, isPaused) =>
      change('PATCH', `/admin/queue-settings${pathOf(name)}`, { is_paused: isPaused }),
    retryFailed: (name) => change('PUT', `/admin/queues/api/queues${pathOf(name)}/retry/failed`),
    workers: async () => (await http.read('GET', '/admin/workers', workersModel)).items,
    drainWorker: (id, isDraining) =>
      change(isDraining ? 'POST' : 'DELETE', `/admin/workers${pathOf(id)}/drain`),
  };
}
