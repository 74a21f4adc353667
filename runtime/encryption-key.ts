import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from './config-error.ts';

const keyBytes = 32;

/**
 * The key that secrets are sealed with: the given one, else that of `<data dir>/encryption.key`, which whoever comes
 * first makes (mode 0600). Processes that come at once get the same key.
 * @throws ConfigError when the file is not ours to read or not a key
 */
export async function loadEncryptionKey(options: {
  readonly given: Buffer | undefined;
  readonly dataDir: string;
}): Promise<Buffer> {
  if (options.given !== undefined) return options.given;
  const path = join(options.dataDir, 'encryption.key');
  try {
    const existing = await readKey(path);
    if (existing !== undefined) return existing;
    await writeNewKey(path);
    const made = await readKey(path);
    if (made !== undefined) return made;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw unusable(path, 'cannot be read or made', cause);
  }
  throw unusable(path, 'vanished');
}

/** Which key it is, without giving it away; kept in the database to notice a wrong one. */
export function fingerprintOf(key: Buffer): string {
  return createHmac('sha256', key).update('vfolder encryption key fingerprint').digest('hex').slice(0, 32);
}

/**
 * Makes sure that the key is the one this database's secrets were sealed with. `claim` stores the fingerprint unless
 * there is one and answers the stored one.
 * @throws ConfigError when it is another key
 */
export async function requireSameKey(
  key: Buffer,
  claim: (fingerprint: string) => Promise<string>,
): Promise<void> {
  const fingerprint = fingerprintOf(key);
  if ((await claim(fingerprint)) === fingerprint) return;
  throw new ConfigError(
    'The secrets in this database were sealed with another encryption key: set VFOLDER_ENCRYPTION_KEY to that key, or bring back the encryption.key of its data directory.',
  );
}

async function readKey(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/i.test(text.trim())) throw unusable(path, 'does not hold 64 hexadecimal digits');
  return Buffer.from(text.trim(), 'hex');
}

/** The link makes the file appear whole or not at all, and only for the first who tries. */
async function writeNewKey(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(keyBytes).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const dir = await open(dirname(path), 'r');
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

function unusable(path: string, what: string, cause?: unknown): ConfigError {
  return new ConfigError(
    `The encryption key file ${path} ${what}: restore it, or set VFOLDER_ENCRYPTION_KEY.`,
    cause === undefined ? undefined : { cause },
  );
}
