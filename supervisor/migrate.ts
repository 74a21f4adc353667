import { relative } from 'node:path';
import { readConfig } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { findEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import { createLogger } from '../runtime/logger.ts';
import { runMain } from '../runtime/run-main.ts';
import { adminKeypairPath } from './admin-keypair.ts';
import { prepareDatabase } from './prepare.ts';

runMain(async () => {
  const { env, stdout, stderr } = process;
  const config = readConfig(env);
  const logger = createLogger({ role: 'migrate', level: config.logLevel, destination: stderr });
  const databaseUrl = config.databaseUrl ?? (await findEmbeddedPostgres(config.dataDir));
  if (databaseUrl === null) {
    throw new ConfigError(
      'There is no database to prepare: set DATABASE_URL, or run "npm start", which starts and prepares one.',
    );
  }
  const admin = await prepareDatabase(databaseUrl, config, logger);
  const path = relative(process.cwd(), adminKeypairPath(config.dataDir));
  const made = admin.origin === 'made' ? ` The administrator's new keypair is in ${path}.` : '';
  stdout.write(`The database is ready.${made}\n`);
});
