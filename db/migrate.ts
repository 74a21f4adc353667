import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { z } from 'zod';
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

/** The tables are newer than the code; the message is one sentence for the operator. */
export class SchemaNewerError extends Error {
  /** What the process ends with: "conflict or precondition", as everywhere in the program. */
  readonly exitCode = 6;

  constructor() {
    super(
      'The tables of the database are of a newer version, and there is no way back: use that version, or restore a backup.',
    );
    this.name = 'SchemaNewerError';
  }
}

/** Others kept the tables, or the turn to change them, for themselves; the message is one sentence for the operator. */
export class SchemaBusyError extends Error {
  /** What the process ends with: "conflict or precondition", as everywhere in the program. */
  readonly exitCode = 6;

  constructor(sentence: string, options: ErrorOptions) {
    super(sentence, options);
    this.name = 'SchemaBusyError';
  }
}

/** Any number will do as long as nobody else uses it: "vfld" in ASCII. */
const lockId = 0x7666_6c64;
/** How long a process waits for its turn: longer than all tries of another one take. */
const turnMsMax = 120_000;

/** How a migration gets at tables that are in use. */
export interface MigrationOptions {
  /** How long a change waits for a table. Everybody's writes to the table wait behind it meanwhile. Default: 5 s. */
  readonly lockMsMax?: number;
  /** Between two tries, for the writes that waited. Default: 2 s. */
  readonly pauseMs?: number;
  /** Default: 10. */
  readonly triesMax?: number;
  /** Where the migrations lie. Default: ours. */
  readonly folder?: string;
}

/**
 * Brings the tables up to date in one transaction. Any number of processes may do so at once: an advisory lock lets
 * them take turns, and those who come later find nothing left to do. A table that is in use is waited for briefly, several times
 * over, so that behind one transaction that takes long the service goes on; nothing is changed until all of it is.
 * @throws SchemaBusyError when tables stay in use, or another process has its turn for more than two minutes; when the database cannot
 *   be reached
 */
export async function migrateDatabase(url: string, options: MigrationOptions = {}): Promise<void> {
  const client = connect(url);
  try {
    const db = drizzle(client);
    await db.execute(sql`SELECT pg_advisory_lock(${lockId})`).catch((error: unknown) => {
      throw isLockTimeout(error) ? turnTaken(error) : error;
    });
    await migrateByTries(db, options);
  } finally {
    // The lock goes with the session.
    await client.end({ timeout: 5 });
  }
}

async function migrateByTries(
  db: PostgresJsDatabase,
  { lockMsMax = 5_000, pauseMs = 2_000, triesMax = 10, folder = migrationsFolder() }: MigrationOptions,
): Promise<void> {
  await db.execute(sql`SELECT set_config('lock_timeout', ${`${lockMsMax}ms`}, false)`);
  for (let tries = 1; ; tries += 1) {
    try {
      await migrate(db, { migrationsFolder: folder });
      return;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (tries >= triesMax) throw tablesInUse(error);
    }
    await delay(pauseMs);
  }
}

function isLockTimeout(error: unknown): boolean {
  // Drizzle wraps what the driver throws.
  const cause = error instanceof Error && !('code' in error) ? error.cause : error;
  return cause instanceof Error && 'code' in cause && cause.code === '55P03';
}

function turnTaken(cause: unknown): SchemaBusyError {
  return new SchemaBusyError(
    'Another process has been changing the tables for two minutes: wait until it is done, then run "npm run migrate" again.',
    { cause },
  );
}

function tablesInUse(cause: unknown): SchemaBusyError {
  return new SchemaBusyError(
    'The tables are as they were, for transactions that take long have them in use: end those (pg_stat_activity names them by xact_start), then run "npm run migrate" again.',
    { cause },
  );
}

/** One connection, because the lock belongs to a session. */
function connect(url: string): postgres.Sql {
  const path = socketPathOf(url);
  return postgres(url, {
    ...(path === undefined ? {} : { path }),
    max: 1,
    connect_timeout: 10,
    connection: { application_name: 'vfolder-migrate', lock_timeout: turnMsMax },
    // As for every other connection: see `openDatabase`.
    fetch_types: false,
    onnotice: () => undefined,
  });
}

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) });

/**
 * Names of the migrations that this code knows and the database has not had, oldest first. Changes nothing.
 * @throws SchemaNewerError when a newer version than this one made the tables; when the database cannot be reached
 */
export async function listPendingMigrations(url: string): Promise<string[]> {
  const client = connect(url);
  try {
    const applied = await newestApplied(drizzle(client));
    if (applied > newestMigration()) throw new SchemaNewerError();
    const { entries } = journalSchema.parse(createRequire(import.meta.url)(journalPath()));
    return entries.filter(({ when }) => when > applied).map(({ tag }) => tag);
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** When the newest migration that was applied was made; 0 for an empty database. */
async function newestApplied(db: Executor): Promise<number> {
  const [found] = await db.execute(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS "isMade"`,
  );
  if (found?.isMade !== true) return 0;
  const [row] = await db.execute(
    sql`SELECT coalesce(max(created_at), 0)::float8 AS newest FROM drizzle.__drizzle_migrations`,
  );
  return Number(row?.newest);
}

/** When the newest migration that this code knows was made; names the version of the tables. */
export function newestMigration(): number {
  const files = readMigrationFiles({ migrationsFolder: migrationsFolder() });
  return Math.max(...files.map((file) => file.folderMillis));
}

/** Makes sure that every migration this code knows was applied. @throws SchemaOutdatedError when not */
export async function assertMigrated(db: Executor): Promise<void> {
  if ((await newestApplied(db)) < newestMigration()) throw new SchemaOutdatedError();
}

/** They are read as SQL files from the checkout, by the compiled code too. */
function migrationsFolder(): string {
  return journalPath().slice(0, -'/meta/_journal.json'.length);
}

function journalPath(): string {
  return createRequire(import.meta.url).resolve('#root/db/migrations/meta/_journal.json');
}
