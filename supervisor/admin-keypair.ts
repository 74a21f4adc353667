import { randomInt, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../runtime/config-error.ts';

const fileSchema = z.object({
  email: z.string().min(3),
  access_key: z.string().min(4),
  secret_key: z.string().min(16),
});

/** The administrator's keypair as the file keeps it. */
export type AdminKeypairFile = z.infer<typeof fileSchema>;

const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const mixed = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const accessKeyLength = 20;
/** 40 characters of 62 carry 238 bits. */
const secretKeyLength = 40;

/** Where the file lies. */
export function adminKeypairPath(dataDir: string): string {
  return join(dataDir, 'admin-keypair.json');
}

/** Reads the file, `null` when there is none. @throws ConfigError when it is unreadable or malformed */
export async function readAdminKeypair(dataDir: string): Promise<AdminKeypairFile | null> {
  const path = adminKeypairPath(dataDir);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new ConfigError(`${path} cannot be read: start as the user who owns it.`, { cause: error });
  });
  if (text === null) return null;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigError(
      `${path} is not an administrator's keypair: restore it, or remove it and set VFOLDER_ADMIN_ACCESS_KEY and VFOLDER_ADMIN_SECRET_KEY.`,
      {
        cause,
      },
    );
  }
}

/** Makes a keypair and its file (mode 0600), whole or not at all; when somebody else was faster, theirs is answered. */
export async function makeAdminKeypair(dataDir: string, email: string): Promise<AdminKeypairFile> {
  const path = adminKeypairPath(dataDir);
  const made = {
    email,
    access_key: randomText(upper, accessKeyLength),
    secret_key: randomText(mixed, secretKeyLength),
  };
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(made, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return made;
  } catch (error) {
    const faster = await readAdminKeypair(dataDir);
    if (faster !== null) return faster;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
