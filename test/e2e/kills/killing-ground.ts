import { openSql } from '../../support/clone-database.ts';
import type { TestProcess } from '../../support/process.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { type Ground, layGround, prepareGround, startApi, startWorker } from '../support/service.ts';

/** An API and two workers that can be killed one by one. */
export interface KillingGround {
  readonly volumeRoot: string;
  readonly client: Client;
  readonly sql: ReturnType<typeof openSql>;
  /** Kills the worker with that pid. @returns false when it is none of ours */
  killWorker(pid: number): Promise<boolean>;
  /** Starts another worker. */
  addWorker(): Promise<void>;
  close(): Promise<void>;
}

/** The pid in what a job's row says of who runs it. */
export function pidOf(leaseOwner: unknown): number {
  return Number(String(leaseOwner).split(':')[1]);
}

/** Starts them on queues in Postgres. */
export async function openKillingGround(): Promise<KillingGround> {
  const ground: Ground = await layGround({ backend: 'postgres' });
  await prepareGround(ground);
  const sql = openSql(ground.databaseUrl);
  const api = await startApi(ground);
  const client = createClient(api.url, ground.admin);
  let workers: TestProcess[] = await Promise.all([startWorker(ground), startWorker(ground)]);
  return {
    volumeRoot: ground.volumeRoot,
    client,
    sql,
    killWorker: async (pid) => {
      const victim = workers.find((worker) => worker.pid === pid);
      if (victim === undefined) return false;
      workers = workers.filter((worker) => worker !== victim);
      await victim.kill();
      return true;
    },
    addWorker: async () => {
      workers.push(await startWorker(ground));
    },
    close: async () => {
      client.close();
      await sql.end({ timeout: 5 });
      await Promise.all([api.process, ...workers].map((running) => running.stop(20_000)));
      await ground.remove();
    },
  };
}
