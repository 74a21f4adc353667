import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Credentials } from '../../client/credentials.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { askFor, readSecretFromInput } from '../questions.ts';
import { openSession, openWay } from '../session.ts';
import {
  credentialsOfEnv,
  findTarget,
  type Profile,
  readSettings,
  settingsPath,
  trimUrl,
  usualUrl,
  writeSettings,
} from '../settings.ts';

const keypairFileSchema = z.object({ access_key: z.string().min(1), secret_key: z.string().min(1) });

async function readKeypairFile(path: string): Promise<Credentials> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CliError(exitCodes.notFound, `${path} cannot be read.`, { cause });
  });
  try {
    const { access_key: accessKey, secret_key: secretKey } = keypairFileSchema.parse(JSON.parse(text));
    return { kind: 'keypair', accessKey, secretKey };
  } catch (cause) {
    throw new CliError(exitCodes.usage, `${path} is no JSON file with access_key and secret_key.`, { cause });
  }
}

async function askForCredentials(invocation: Invocation): Promise<Credentials> {
  const { terminal } = invocation;
  const file = invocation.text('keypairFile');
  if (file !== undefined) return readKeypairFile(file);
  if (invocation.flag('tokenStdin')) {
    const token = await readSecretFromInput(terminal);
    if (token === '') throw usageError('The token is empty.');
    return { kind: 'token', token };
  }
  const ofEnv = credentialsOfEnv(terminal.env);
  if (ofEnv.kind !== 'none') return ofEnv;
  const otherwise = 'Give --access-key and --secret-key-stdin, --token-stdin or --keypair-file.';
  const accessKey = invocation.text('accessKey') ?? (await askFor(terminal, 'Access key: ', { otherwise }));
  const secretKey = invocation.flag('secretKeyStdin')
    ? await readSecretFromInput(terminal)
    : await askFor(terminal, 'Secret key: ', { isSecret: true, otherwise });
  if (secretKey === '') throw usageError('The secret key is empty.');
  return { kind: 'keypair', accessKey, secretKey };
}

function toProfile(url: string, credentials: Credentials): Profile {
  if (credentials.kind === 'token') return { url, token: credentials.token };
  if (credentials.kind === 'none') return { url };
  return { url, access_key: credentials.accessKey, secret_key: credentials.secretKey };
}

/** Signs in: the credentials are tried before they are kept. */
export const login: Action = async (invocation) => {
  const { terminal } = invocation;
  const url = trimUrl(
    invocation.args[0] ?? invocation.text('url') ?? (terminal.env.VFOLDER_URL || undefined) ?? usualUrl,
  );
  const credentials = await askForCredentials(invocation);
  const client = openWay(invocation, { url, credentials });
  await client.account.whoami();
  const name = invocation.text('profile') ?? 'default';
  const settings = await readSettings(terminal.env);
  await writeSettings(terminal.env, {
    current: name,
    profiles: { ...settings.profiles, [name]: toProfile(url, credentials) },
  });
  terminal.stderr.write(`Signed in at ${url} as profile "${name}" (${settingsPath(terminal.env)}).\n`);
};

async function forget(invocation: Invocation, name: string): Promise<void> {
  const { terminal } = invocation;
  const settings = await readSettings(terminal.env);
  if (!Object.hasOwn(settings.profiles, name)) {
    throw new CliError(exitCodes.notFound, `There is no profile "${name}".`);
  }
  const profiles = Object.fromEntries(Object.entries(settings.profiles).filter(([key]) => key !== name));
  const current = settings.current === name ? null : settings.current;
  await writeSettings(terminal.env, { current, profiles });
  terminal.stderr.write(`Profile "${name}" is forgotten.\n`);
}

/** Forgets the profile in use. */
export const logout: Action = async (invocation) => {
  const settings = await readSettings(invocation.terminal.env);
  const name = invocation.text('profile') ?? (invocation.terminal.env.VFOLDER_PROFILE || settings.current);
  if (name === null) throw new CliError(exitCodes.notFound, 'No profile is in use.');
  await forget(invocation, name);
};

function describe(credentials: Credentials): string {
  if (credentials.kind === 'keypair') return `keypair ${credentials.accessKey}`;
  return credentials.kind === 'token' ? 'API token' : 'nobody';
}

/** Shows where commands go, and proves the credentials there. */
export const whoami: Action = async (invocation) => {
  const { client, target } = await openSession(invocation);
  const [me, version] = [await client.account.whoami(), await client.account.version()];
  const { credentials } = target;
  const access = credentials.kind === 'keypair' ? { access_key: credentials.accessKey } : {};
  const shown = {
    url: target.url,
    profile: target.profile ?? null,
    ...access,
    service: version.manager,
    ...me,
  };
  const email: unknown = Reflect.get(me, 'email');
  const known = typeof email === 'string' ? email : undefined;
  await printOne(invocation.terminal, invocation.form(), shown, {
    name: known ?? describe(credentials),
    fields: [
      ['service', `${target.url} (${version.manager})`],
      ...(known === undefined ? [] : ([['user', known]] as const)),
      ['signed in by', describe(credentials)],
      ['profile', target.profile ?? 'none'],
    ],
  });
};

/** Lists profiles without their secrets. */
export const listProfiles: Action = async (invocation) => {
  const { current, profiles } = await readSettings(invocation.terminal.env);
  const items = Object.entries(profiles).map(([name, profile]) => ({
    name,
    url: profile.url,
    access_key: profile.access_key ?? null,
    is_current: name === current,
  }));
  await printList(invocation.terminal, invocation.form(), items, {
    columns: [
      { title: '', cell: (item) => (item.is_current ? '*' : '') },
      { title: 'NAME', cell: (item) => item.name },
      { title: 'URL', cell: (item) => item.url },
      { title: 'BY', cell: (item) => item.access_key ?? 'token' },
    ],
    name: (item) => item.name,
  });
};

/** Makes a profile the one that is used without being named. */
export const useProfile: Action = async (invocation) => {
  const name = invocation.arg(0);
  // Refuses one that does not exist.
  await findTarget(invocation.terminal.env, { url: undefined, profile: name });
  const settings = await readSettings(invocation.terminal.env);
  await writeSettings(invocation.terminal.env, { ...settings, current: name });
};

/** Forgets a profile. */
export const removeProfile: Action = (invocation) => forget(invocation, invocation.arg(0));
