import { createHmac } from 'node:crypto';
import { type Database, openDatabase } from '../db/client.ts';
import { listPendingMigrations, migrateDatabase } from '../db/migrate.ts';
import { hasActiveAdmin, upsertAdmin } from '../db/queries/bootstrap.ts';
import { updateDefaultPolicy } from '../db/queries/policies.ts';
import { claimSetting, findSetting, putSetting } from '../db/queries/settings.ts';
import { openSecretBox } from '../db/secret-box.ts';
import { listPendingQueueChanges, prepareQueues } from '../jobs/prepare.ts';
import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { loadEncryptionKey, requireSameKey } from '../runtime/encryption-key.ts';
import type { ProcessLogger } from '../runtime/logger.ts';
import { makeAdminKeypair, readAdminKeypair } from './admin-keypair.ts';

/** How the first administrator gets in. */
export interface AdminAccess {
  /** `given` in the settings, kept in the `file`, `made` just now and kept there, or `elsewhere`: somebody has one. */
  readonly origin: 'given' | 'file' | 'made' | 'elsewhere';
  readonly keypair: { readonly accessKey: string; readonly secretKey: string } | undefined;
}

/** What preparing needs of the settings. */
export type PrepareConfig = Pick<
  Config,
  'dataDir' | 'encryptionKey' | 'adminEmail' | 'adminKeypair' | 'redisUrl' | 'limits'
>;

/**
 * Names what {@link prepareDatabase} would change in the tables, ours first, then those of the queues. Changes nothing.
 * @throws ConfigError when the database cannot be reached; SchemaNewerError when a newer version made the tables
 */
export async function listPendingChanges(
  databaseUrl: string,
  { redisUrl }: Pick<Config, 'redisUrl'>,
): Promise<string[]> {
  try {
    const tables = await listPendingMigrations(databaseUrl);
    return [...tables, ...(await listPendingQueueChanges({ databaseUrl, redisUrl }))];
  } catch (error) {
    throw explained(error);
  }
}

/**
 * Makes a database ready for API and workers: tables, queue tables, the fingerprint of the encryption key, the limits of the
 * settings and an administrator. Safe to repeat and to run from several machines at once.
 * @throws ConfigError when the database cannot be reached or was sealed with another key
 */
export async function prepareDatabase(
  databaseUrl: string,
  config: PrepareConfig,
  logger: ProcessLogger,
): Promise<AdminAccess> {
  const key = await loadEncryptionKey({ given: config.encryptionKey, dataDir: config.dataDir });
  await migrateDatabase(databaseUrl).catch((error: unknown) => {
    throw explained(error);
  });
  await prepareQueues({ databaseUrl, redisUrl: config.redisUrl, logger });
  const client = openDatabase({ url: databaseUrl, connectionsMax: 1, applicationName: 'vfolder-prepare' });
  try {
    await requireSameKey(key, (fingerprint) =>
      claimSetting(client.db, 'encryption_key_fingerprint', fingerprint),
    );
    await updateDefaultPolicy(client.db, config.limits);
    const admin = await findAdmin(config, () => hasActiveAdmin(client.db));
    if (admin.keypair !== undefined) await applyKeypair(client.db, key, admin.keypair);
    return admin;
  } finally {
    await client.close(5);
  }
}

interface GivenKeypair {
  readonly email: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

interface FoundAdmin extends AdminAccess {
  readonly keypair: GivenKeypair | undefined;
}

/**
 * Lets the keypair of the settings or the file in, once: what was rotated, switched off or taken from its user since then
 * stays so. Another keypair there is a new one. Without any administrator the known one is let in again.
 */
async function applyKeypair(db: Database, key: Buffer, keypair: GivenKeypair): Promise<void> {
  const { email, accessKey, secretKey } = keypair;
  const applied = createHmac('sha256', key)
    .update(JSON.stringify([email, accessKey, secretKey]))
    .digest('hex');
  const isKnown = (await findSetting(db, 'admin_keypair_applied')) === applied;
  if (isKnown && (await hasActiveAdmin(db))) return;
  const secretSealed = openSecretBox(key).seal(secretKey);
  await db.transaction(async (tx) => {
    await upsertAdmin(tx, { email, accessKey, secretSealed });
    await putSetting(tx, 'admin_keypair_applied', applied);
  });
}

/** A machine without the file must not make a second administrator for a database that has one. */
async function findAdmin(config: PrepareConfig, hasAdmin: () => Promise<boolean>): Promise<FoundAdmin> {
  const { adminKeypair, adminEmail, dataDir } = config;
  if (adminKeypair !== undefined) return { origin: 'given', keypair: { email: adminEmail, ...adminKeypair } };
  const kept = await readAdminKeypair(dataDir);
  if (kept === null && (await hasAdmin())) return { origin: 'elsewhere', keypair: undefined };
  const file = kept ?? (await makeAdminKeypair(dataDir, adminEmail));
  return {
    origin: kept === null ? 'made' : 'file',
    keypair: { email: file.email, accessKey: file.access_key, secretKey: file.secret_key },
  };
}

/** Tells an operator's mistakes from ours by where a connection attempt ends. */
function explained(error: unknown): unknown {
  const code = codeOf(error) ?? codeOf(error instanceof Error ? error.cause : undefined) ?? '';
  const isUnreachable = /^(E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_.*|28\w{3}|3D000)$/.test(code);
  if (!isUnreachable) return error;
  return new ConfigError(
    `The database of DATABASE_URL cannot be used (${code}): check address, user, password and name, and that it is up.`,
    { cause: error },
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
