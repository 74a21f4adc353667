import { join } from 'node:path';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { type Client, createClient } from '../support/http-client.ts';
import type { Service } from '../support/service.ts';
import type { Keypair } from '../support/signature.ts';
import { makeCli } from './run-cli.ts';

/** The environment of one installation. */
export type Environment = Readonly<Record<string, string>>;

/** The environment of another installation than that of `service`, below `dir`; its Postgres is embedded unless `more` names one. */
export function elsewhere(service: Service, dir: string, more: Environment = {}): Environment {
  const { PORT, LOG_LEVEL, VFOLDER_ADMIN_ACCESS_KEY, VFOLDER_ADMIN_SECRET_KEY } = service.env;
  const kept = { PORT, LOG_LEVEL, VFOLDER_ADMIN_ACCESS_KEY, VFOLDER_ADMIN_SECRET_KEY };
  return {
    ...Object.fromEntries(Object.entries(kept).flatMap(([name, value]) => (value ? [[name, value]] : []))),
    VFOLDER_DATA_DIR: join(dir, 'data'),
    VFOLDER_VOLUMES: `local=${join(dir, 'volume')}`,
    VFOLDER_WORKERS: '1',
    ...more,
  };
}

/** Runs `vfolder admin <args>` with the environment of an installation. */
export function runAdmin(env: Environment, ...args: readonly string[]) {
  const home = env.VFOLDER_DATA_DIR ?? '/';
  return makeCli({ url: 'http://127.0.0.1:9', home, env: { ...env } })(['admin', ...args]);
}

/** A service on a restored installation. */
export interface RestoredService {
  readonly process: TestProcess;
  client(keypair: Keypair): Client;
}

/** Starts it as `npm start` does. */
export async function startRestored(env: Environment): Promise<RestoredService> {
  const ready = /is ready at (http:\S+)/;
  const process = await startProcess({ program: 'supervisor/main.js', env, ready, timeoutMs: 60_000 });
  const url: unknown = Array.isArray(process.readiness) ? process.readiness[1] : undefined;
  if (typeof url !== 'string') throw new Error('The supervisor prints the url.');
  return { process, client: (keypair) => createClient(url, keypair) };
}
