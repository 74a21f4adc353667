import { randomUUID } from 'node:crypto';
import { chmod, open, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Credentials } from '../client/credentials.ts';
import { CliError, exitCodes, usageError } from './exit-codes.ts';
import { makeDirectories, writingTo } from './local-failure.ts';

const profileSchema = z.object({
  url: z.string(),
  access_key: z.string().optional(),
  secret_key: z.string().optional(),
  token: z.string().optional(),
});
const fileSchema = z.object({
  current: z.string().nullable(),
  profiles: z.record(z.string(), profileSchema),
});

/** A service and how to sign in there. */
export type Profile = z.infer<typeof profileSchema>;
/** The file of settings. */
export type Settings = z.infer<typeof fileSchema>;
type Env = Readonly<Record<string, string | undefined>>;

/** Where to go and as whom. `profile` is the one that was taken, if any. */
export interface Target {
  readonly url: string;
  readonly credentials: Credentials;
  readonly profile: string | undefined;
}

const nothing: Settings = { current: null, profiles: {} };

/** The file of settings, after the XDG Base Directory Specification. */
export function settingsPath(env: Env): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'vfolder', 'config.json');
}

/** Where what an interrupted transfer needs is kept. */
export function statePath(env: Env): string {
  return join(env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state'), 'vfolder');
}

/** Reads the settings; without a file there are none. @throws CliError for a file that is none of ours */
export async function readSettings(env: Env): Promise<Settings> {
  const path = settingsPath(env);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new CliError(exitCodes.other, `${path} cannot be read: mend its owner or mode.`, { cause });
  });
  if (text === undefined) return nothing;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CliError(exitCodes.other, `${path} is damaged: mend it, or remove it and sign in again.`, {
      cause,
    });
  }
}

/** Writes the settings, whole or not at all, for nobody else to read. @throws CliError that names the file, where it cannot be written */
export async function writeSettings(env: Env, settings: Settings): Promise<void> {
  const path = settingsPath(env);
  await writingTo(path, () => replaceSettings(path, settings));
}

async function replaceSettings(path: string, settings: Settings): Promise<void> {
  await makeDirectories(dirname(path), 0o700);
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(settings, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(draft, 0o600);
    await rename(draft, path);
  } finally {
    // What may not be looked at was not written either.
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

function credentialsOf(profile: Profile): Credentials {
  const { token, access_key: accessKey, secret_key: secretKey } = profile;
  if (token !== undefined) return { kind: 'token', token };
  return accessKey === undefined || secretKey === undefined
    ? { kind: 'none' }
    : { kind: 'keypair', accessKey, secretKey };
}

/** Credentials of the environment. @throws a usage error for half a keypair, or two kinds at once */
export function credentialsOfEnv(env: Env): Credentials {
  const token = env.VFOLDER_TOKEN || undefined;
  const accessKey = env.VFOLDER_ACCESS_KEY || undefined;
  const secretKey = env.VFOLDER_SECRET_KEY || undefined;
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw usageError('VFOLDER_ACCESS_KEY and VFOLDER_SECRET_KEY belong together: set both.');
  }
  if (token !== undefined && accessKey !== undefined) {
    throw usageError('VFOLDER_TOKEN and a keypair are both set: remove one of them.');
  }
  return credentialsOf({ url: '', token, access_key: accessKey, secret_key: secretKey });
}

/** The address where a service runs that nobody configured. */
export const usualUrl = 'http://127.0.0.1:8080';

/**
 * Where to go and as whom: the flag wins over the environment, and that over the profile. Credentials of a profile are
 * never sent to another address than its own.
 * @throws a usage error for a profile that does not exist
 */
export async function findTarget(
  env: Env,
  flags: { readonly url: string | undefined; readonly profile: string | undefined },
): Promise<Target> {
  const settings = await readSettings(env);
  const name = flags.profile ?? (env.VFOLDER_PROFILE || settings.current || undefined);
  const profile = profileNamed(settings, name);
  const wanted = flags.url ?? (env.VFOLDER_URL || undefined);
  const isOwnUrl = wanted === undefined || trimUrl(wanted) === profile?.url;
  const ofEnv = credentialsOfEnv(env);
  const ofProfile: Credentials =
    profile !== undefined && isOwnUrl ? credentialsOf(profile) : { kind: 'none' };
  return {
    url: wanted ?? profile?.url ?? usualUrl,
    credentials: ofEnv.kind === 'none' ? ofProfile : ofEnv,
    profile: isOwnUrl ? name : undefined,
  };
}

function profileNamed(settings: Settings, name: string | undefined): Profile | undefined {
  if (name === undefined) return undefined;
  const profile = Object.hasOwn(settings.profiles, name) ? settings.profiles[name] : undefined;
  if (profile !== undefined) return profile;
  throw usageError(`There is no profile "${name}": sign in with "vfolder login --profile ${name}".`);
}

/** An address as profiles keep it. */
export function trimUrl(url: string): string {
  return url.replace(/\/+$/, '');
}
