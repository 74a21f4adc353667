import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { socketPathOf } from '../../db/socket-path.ts';

/** A database of one test file, cloned from the migrated template. */
export interface ClonedDatabase {
  /** As in `DATABASE_URL`; processes under test may be given it. */
  readonly url: string;
  /** Drops the database, cutting whoever is still connected. */
  drop(): Promise<void>;
}

/**
 * Clones the template (all our migrations and the queue schema) into a database nobody else knows: about 50 ms.
 * End-to-end tests may use it: it opens nothing of ours.
 */
export async function cloneDatabase(): Promise<ClonedDatabase> {
  const serverUrl = inject('serverUrl');
  const name = `t_${randomBytes(8).toString('hex')}`;
  await asAdmin(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${inject('templateName')}`);
  return {
    url: withDatabase(serverUrl, name),
    drop: () => asAdmin(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** The same server, another database. */
export function withDatabase(url: string, name: string): string {
  return url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`);
}

/** Opens one connection of the bare driver, for what tests look at behind the service's back. End it when done. */
export function openSql(url: string): postgres.Sql {
  const path = socketPathOf(url);
  return postgres(url, { ...(path === undefined ? {} : { path }), max: 1, onnotice: () => undefined });
}

/** Runs one statement on the server's own database. */
export async function asAdmin(url: string, statement: string): Promise<void> {
  const sql = openSql(url);
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
