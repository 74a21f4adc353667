import { relative } from 'node:path';
import { type Config, readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { findEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import { createLogger } from '../runtime/logger.ts';
import { runMain } from '../runtime/run-main.ts';
import { adminKeypairPath } from './admin-keypair.ts';
import { listPendingChanges, prepareDatabase } from './prepare.ts';

/** "Conflict or precondition", as everywhere in the program: the tables are not those that this version needs. */
const isPending = 6;

async function findDatabaseUrl(config: Config): Promise<string> {
  const url = config.databaseUrl ?? (await findEmbeddedPostgres(config.dataDir));
  if (url !== null) return url;
  throw new ConfigError(
    'There is no database to prepare: set DATABASE_URL, or run "npm start", which starts and prepares one.',
  );
}

function describe(pending: readonly string[]): string {
  if (pending.length === 0) return 'Every migration is applied.';
  return [`${pending.length} to apply:`, ...pending.map((name) => `  ${name}`)].join('\n');
}

runMain(async () => {
  const { argv, env, stdout, stderr } = process;
  const config = readConfig(env);
  const logger = createLogger({ role: 'migrate', level: config.logLevel, destination: stderr });
  const say = (value: unknown, text: string) =>
    stdout.write(`${argv.includes('--json') ? JSON.stringify(value, null, 2) : text}\n`);
  const databaseUrl = await findDatabaseUrl(config);
  // Also before migrating: a database that is ahead is refused, not taken for one that is up to date.
  const pending = await listPendingChanges(databaseUrl, config);
  if (argv.includes('--check')) {
    process.exitCode = pending.length === 0 ? 0 : isPending;
    say({ pending }, describe(pending));
    return;
  }
  const admin = await prepareDatabase(databaseUrl, config, logger);
  const path = relative(process.cwd(), adminKeypairPath(config.dataDir));
  const made = admin.origin === 'made' ? ` The administrator's new keypair is in ${path}.` : '';
  say({ applied: pending, admin: admin.origin }, `The database is ready.${made}`);
});
