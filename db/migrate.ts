import { createRequire } from 'node:module';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import type { Executor } from './client.ts';
import { socketPathOf } from './socket-path.ts';

/** The tables are older than the code; the message is one sentence for the operator. */
export class SchemaOutdatedError extends Error {
  /** What the process ends with. */
  readonly exitCode = 2;

  constructor() {
    super('The tables of the database are missing or older than this version: run "npm run migrate" first.');
    this.name = 'SchemaOutdatedError';
  }
}

/** Any number will do as long as nobody else uses it: "vfld" in ASCII. */
const lockId = 0x7666_6c64;
const lockWaitMs = 120_000;

/**
 * Brings the tables up to date in one transaction. Any number of processes may do so at once: an advisory lock lets
 * them take turns, and those who come later find nothing left to do.
 * @throws when the database cannot be reached, or is held for more than two minutes
 */
export async function migrateDatabase(url: string): Promise<void> {
  const path = socketPathOf(url);
  // One connection, because the lock belongs to a session.
  const client = postgres(url, {
    ...(path === undefined ? {} : { path }),
    max: 1,
    connect_timeout: 10,
    connection: { application_name: 'vfolder-migrate', lock_timeout: lockWaitMs },
    onnotice: () => undefined,
  });
  try {
    const db = drizzle(client);
    await db.execute(sql`SELECT pg_advisory_lock(${lockId})`);
    await migrate(db, { migrationsFolder: migrationsFolder() });
  } finally {
    // The lock goes with the session.
    await client.end({ timeout: 5 });
  }
}

/** When the newest migration that this code knows was made; names the version of the tables. */
export function newestMigration(): number {
  const files = readMigrationFiles({ migrationsFolder: migrationsFolder() });
  return Math.max(...files.map((file) => file.folderMillis));
}

/** Makes sure that every migration this code knows was applied. @throws SchemaOutdatedError when not */
export async function assertMigrated(db: Executor): Promise<void> {
  const newest = newestMigration();
  const [found] = await db.execute(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS "isMade"`,
  );
  if (found?.isMade !== true) throw new SchemaOutdatedError();
  const [row] = await db.execute(
    sql`SELECT coalesce(max(created_at), 0) >= ${newest} AS "isCurrent" FROM drizzle.__drizzle_migrations`,
  );
  if (row?.isCurrent !== true) throw new SchemaOutdatedError();
}

/** They are read as SQL files from the checkout, by the compiled code too. */
function migrationsFolder(): string {
  const journal = createRequire(import.meta.url).resolve('#root/db/migrations/meta/_journal.json');
  return journal.slice(0, -'/meta/_journal.json'.length);
}
