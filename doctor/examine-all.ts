import { type DatabaseClient, openDatabase } from '../db/client.ts';
import { pingDatabase } from '../db/queries/ping.ts';
import type { Config } from '../runtime/config.ts';
import { findEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import { databaseChecks, redisChecks } from './database-checks.ts';
import { bad, examine, type NamedFinding, reasonOf } from './finding.ts';
import { hostChecks } from './host-checks.ts';
import { volumeChecks } from './volume-checks.ts';

const deepMsMax = 24 * 3_600_000;

async function openReachable(config: Config): Promise<DatabaseClient | NamedFinding> {
  const name = 'database';
  const url = config.databaseUrl ?? (await findEmbeddedPostgres(config.dataDir).catch(() => null));
  if (url === null) {
    return {
      name,
      ...bad('none is known', 'Set DATABASE_URL, or start the service with "npm start", which brings one.'),
    };
  }
  const client = openDatabase({ url, connectionsMax: 2, applicationName: 'vfolder-doctor' });
  try {
    await pingDatabase(client.db);
    return client;
  } catch (error) {
    await client.close(1);
    return { name, ...bad(reasonOf(error), 'Start the database, or mend DATABASE_URL.') };
  }
}

/** Examines an installation, part by part; what hangs or throws is bad and keeps nothing else from being examined. */
export async function examineAll(
  config: Config,
  { isDeep }: { readonly isDeep: boolean },
): Promise<NamedFinding[]> {
  const findings: NamedFinding[] = [];
  for (const check of hostChecks(config)) findings.push(await examine(check));
  const database = await openReachable(config);
  const client = 'db' in database ? database : undefined;
  if ('name' in database) findings.push(database);
  try {
    const checks = client === undefined ? [] : databaseChecks(client.db, config);
    for (const check of [...checks, ...redisChecks(config.redisUrl)]) findings.push(await examine(check));
    for (const [name, root] of config.volumes) {
      const target = { name, root, db: client?.db, isDeep };
      for (const check of volumeChecks(target))
        findings.push(await examine(check, isDeep ? deepMsMax : undefined));
    }
  } finally {
    await client?.close(1);
  }
  return findings;
}
