import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import type { TestProject } from 'vitest/node';
import { prepareQueues } from '../../jobs/prepare.ts';
import { asAdmin, openSql, withDatabase } from './clone-database.ts';
import { startTestServer } from './postgres-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The Postgres of the run, as in `DATABASE_URL`. */
    serverUrl: string;
    /** The migrated database that test files clone. */
    templateName: string;
  }
}

/** Starts one Postgres for the whole run and migrates the template that every test file clones. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer();
  const templateName = `template_${process.pid}`;
  await asAdmin(server.url, `CREATE DATABASE ${templateName}`);
  const url = withDatabase(server.url, templateName);
  await migrateDatabase(url);
  await prepareQueues({ databaseUrl: url, redisUrl: undefined });
  project.provide('serverUrl', server.url);
  project.provide('templateName', templateName);
  return async () => {
    await asAdmin(server.url, `DROP DATABASE IF EXISTS ${templateName} WITH (FORCE)`);
    await server.stop();
  };
}

async function migrateDatabase(url: string): Promise<void> {
  const sql = openSql(url);
  try {
    const migrationsFolder = join(import.meta.dirname, '..', '..', 'db', 'migrations');
    await migrate(drizzle(sql), { migrationsFolder });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
