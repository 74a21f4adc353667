import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../runtime/config.ts';
import { fingerprintOf } from '../runtime/encryption-key.ts';
import { layoutOf, writeDurably } from './manifest.ts';
import { UpkeepRefusal } from './refusal.ts';

const keyFile = 'encryption.key';
/** The key that secrets are sealed with, and how the administrator gets in. */
const secretFiles = [keyFile, 'admin-keypair.json'] as const;

type Keys = Pick<Config, 'dataDir' | 'encryptionKey'>;

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function toKey(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text.trim(), 'hex');
}

/**
 * Saves the secret files of the data directory. A key that the settings give is the operator's to keep.
 * @returns whether the backup has the key @throws UpkeepRefusal when the key at hand does not open this database
 */
export async function saveSecrets(dir: string, config: Keys, fingerprint: string | null): Promise<boolean> {
  const layout = layoutOf(dir);
  await mkdir(layout.secrets, { mode: 0o700 });
  const given = config.encryptionKey;
  const key = given ?? toKey(await readIfThere(join(config.dataDir, keyFile)));
  if (key === undefined || (fingerprint !== null && fingerprintOf(key) !== fingerprint)) {
    throw new UpkeepRefusal(
      'The encryption key at hand does not open the secrets of this database: set VFOLDER_DATA_DIR or VFOLDER_ENCRYPTION_KEY to that of the installation.',
    );
  }
  for (const name of secretFiles) {
    if (name === keyFile && given !== undefined) continue;
    const text = await readIfThere(join(config.dataDir, name));
    if (text !== undefined) await writeDurably(join(layout.secrets, name), text);
  }
  return given === undefined;
}

/** Makes sure that the secrets can be opened after a restore, before it changes anything. @throws UpkeepRefusal */
export async function requireKey(
  dir: string,
  config: Keys,
  manifest: { readonly key_fingerprint: string | null },
): Promise<void> {
  const saved = toKey(await readIfThere(join(layoutOf(dir).secrets, keyFile)));
  const present = toKey(await readIfThere(join(config.dataDir, keyFile)));
  const key = config.encryptionKey ?? present ?? saved;
  if (key !== undefined && fingerprintOf(key) === manifest.key_fingerprint) return;
  throw new UpkeepRefusal(
    'The secrets of this backup were sealed with another encryption key: set VFOLDER_ENCRYPTION_KEY to it, or use a data directory without an encryption.key.',
  );
}

/** Puts the secret files into the data directory, mode 0600; those that are there stay. */
export async function restoreSecrets(dir: string, config: Keys): Promise<void> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  for (const name of secretFiles) {
    if (name === keyFile && config.encryptionKey !== undefined) continue;
    const text = await readIfThere(join(layoutOf(dir).secrets, name));
    const target = join(config.dataDir, name);
    if (text === undefined || (await readIfThere(target)) !== undefined) continue;
    await writeDurably(target, text);
  }
}
