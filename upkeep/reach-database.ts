import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { findEmbeddedPostgres, startEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import { lockDataDir } from '../supervisor/lock.ts';

type Place = Pick<Config, 'databaseUrl' | 'dataDir'>;

/** Starts the embedded Postgres for as long as `work` takes; nobody else starts the installation meanwhile. */
async function withOwnPostgres<T>(dataDir: string, work: (url: string) => Promise<T>): Promise<T> {
  const unlock = await lockDataDir(dataDir);
  try {
    const server = await startEmbeddedPostgres({ dataDir });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    await unlock();
  }
}

/**
 * Hands the installation's database to `work`: the one of the settings, the embedded one that runs, or the embedded one
 * that is stopped, which is started for it.
 * @throws ConfigError when there is none
 */
export async function withDatabase<T>(
  { databaseUrl, dataDir }: Place,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const url = databaseUrl ?? (await findEmbeddedPostgres(dataDir));
  if (url !== null) return work(url);
  await stat(join(dataDir, 'postgres', 'PG_VERSION')).catch((cause: unknown) => {
    throw new ConfigError(
      `There is no database in ${dataDir}: set VFOLDER_DATA_DIR to that of the installation, or DATABASE_URL.`,
      { cause },
    );
  });
  return withOwnPostgres(dataDir, work);
}

/**
 * As {@link withDatabase}, for an installation that does not exist yet: without a database in the settings an embedded
 * one is made. @throws ConfigError while a service runs on the data directory
 */
export async function withNewDatabase<T>(
  { databaseUrl, dataDir }: Place,
  work: (url: string) => Promise<T>,
): Promise<T> {
  return databaseUrl === undefined ? withOwnPostgres(dataDir, work) : work(databaseUrl);
}
