import { type DatabaseClient, openDatabase } from '../db/client.ts';
import { failureOf } from '../db/failure.ts';
import { assertMigrated } from '../db/migrate.ts';
import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { findEmbeddedPostgres } from '../runtime/embedded-postgres.ts';

/** A migrated database and where it is, as in `DATABASE_URL`. */
export interface OpenedDatabase extends DatabaseClient {
  readonly url: string;
}

async function findDatabaseUrl(config: Config): Promise<string> {
  const url = config.databaseUrl ?? (await findEmbeddedPostgres(config.dataDir));
  if (url !== null) return url;
  throw new ConfigError(
    'No database is known: set DATABASE_URL, or run "npm start" first, which brings one.',
  );
}

/**
 * Opens the configured database, or the embedded one that `npm start` runs on the same data directory.
 * @throws ConfigError when there is none, it cannot be reached, or its schema is not the one of this version
 */
export async function openMigratedDatabase(
  config: Config,
  pool: { readonly connectionsMax: number; readonly applicationName: string },
): Promise<OpenedDatabase> {
  const url = await findDatabaseUrl(config);
  const database = openDatabase({ url, ...pool });
  try {
    await assertMigrated(database.db);
    return { ...database, url };
  } catch (cause) {
    await database.close(1);
    if (failureOf(cause) !== 'lost') throw cause;
    const mend = 'start it, or set DATABASE_URL to one that runs.';
    throw new ConfigError(`The database cannot be reached: ${mend}`, { cause });
  }
}
