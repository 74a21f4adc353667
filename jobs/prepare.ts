import { queueSchema } from './connections.ts';
import { loadBullmq, loadPg } from './libraries.ts';
import type { JobLogger } from './logger.ts';
import { readRedisFacts } from './redis-facts.ts';

/** Where the queues live: Redis when its URL is given, else the schema `bullmq` of the database. */
export interface PrepareOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly logger?: JobLogger;
}

/**
 * Makes the queue store usable. On Postgres it brings the queue schema up to date in one transaction under an
 * advisory lock, so every process may call it at each start. On Redis it only looks: a memory policy that may evict
 * jobs is warned about, for the jobs table would have to send them again.
 * @throws when the store cannot be reached; for Redis that is a warning, because the service runs without it meanwhile
 */
export async function prepareQueues(options: PrepareOptions): Promise<void> {
  if (options.redisUrl === undefined) await migrateQueueSchema(options.databaseUrl);
  else await inspectRedis(options.redisUrl, options.logger);
}

async function openClient(databaseUrl: string) {
  const pg = loadPg();
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'vfolder-migrate' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function migrateQueueSchema(databaseUrl: string): Promise<void> {
  const client = await openClient(databaseUrl);
  try {
    await loadBullmq().runMigrations(client, queueSchema);
    // After a burst of adds the planner believes the table to be small and sorts the whole backlog for every claim
    // (18 jobs per second with 100,000 waiting), until it is analysed; so have it analysed early and vacuumed often.
    await client.query(`ALTER TABLE ${queueSchema}.job SET (
      autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02)`);
  } finally {
    await client.end();
  }
}

/**
 * What {@link prepareQueues} would change in the queue store, by name; nothing on Redis. Changes nothing itself.
 * @throws when the store cannot be reached, or a newer library made the schema
 */
export async function listPendingQueueChanges(options: PrepareOptions): Promise<string[]> {
  if (options.redisUrl !== undefined) return [];
  const { assertSchemaCompatibility, SchemaMigrationRequiredError, LATEST_SCHEMA_VERSION } = loadBullmq();
  const client = await openClient(options.databaseUrl);
  try {
    const found = await assertSchemaCompatibility(client, queueSchema).catch((error: unknown) => {
      if (error instanceof SchemaMigrationRequiredError) return 0;
      throw error;
    });
    return found < LATEST_SCHEMA_VERSION ? [`queues ${found} to ${LATEST_SCHEMA_VERSION}`] : [];
  } finally {
    await client.end();
  }
}

async function inspectRedis(redisUrl: string, logger: JobLogger | undefined): Promise<void> {
  try {
    const { memoryPolicy } = await readRedisFacts(redisUrl);
    if (memoryPolicy !== undefined && memoryPolicy !== 'noeviction') {
      logger?.warn({ policy: memoryPolicy, wanted: 'noeviction' }, 'redis.evicts');
    }
  } catch (err) {
    logger?.warn({ err }, 'redis.unreachable');
  }
}
