import { type Database, openDatabase } from '../../db/client.ts';
import { cloneDatabase } from './clone-database.ts';

/** A cloned database with an open pool. */
export interface TestDatabase {
  /** As in `DATABASE_URL`. */
  readonly url: string;
  readonly db: Database;
  /** Closes the pool and drops the database. */
  close(): Promise<void>;
}

/**
 * Gives a test file its own migrated database on the real Postgres of the run.
 *
 *     let database: TestDatabase;
 *     beforeAll(async () => { database = await createTestDatabase(); });
 *     afterAll(() => database.close());
 */
export async function createTestDatabase(
  options: { readonly connectionsMax?: number } = {},
): Promise<TestDatabase> {
  const clone = await cloneDatabase();
  const client = openDatabase({
    url: clone.url,
    connectionsMax: options.connectionsMax ?? 10,
    applicationName: 'vfolder-test',
  });
  return {
    url: clone.url,
    db: client.db,
    close: async () => {
      await client.close(5);
      await clone.drop();
    },
  };
}
