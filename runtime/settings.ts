import { isIP } from 'node:net';
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import { apiVersionDefault, apiVersions } from '../domain/api-version.ts';
import { auditDaysDefault } from '../domain/audit.ts';
import { linkDaysDefault } from '../domain/link.ts';

/** Names of the queues that `VFOLDER_QUEUES` may choose from; a test holds them equal to those of jobs/contracts.ts. */
const queueNames = ['upload', 'delete', 'archive', 'quota', 'copy'] as const;

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A setting that is parsed from its text; `mend` completes the sentence "NAME must be …". */
function parsed<T>(mend: string, parse: (raw: string) => T | undefined) {
  return z.string().transform((raw, context): T => {
    const value = parse(raw.trim());
    if (value !== undefined) return value;
    context.issues.push({ code: 'custom', message: mend, input: raw });
    return z.NEVER;
  });
}

function whole(min: number, max: number) {
  return parsed(`a whole number from ${min} to ${max}`, (raw) => {
    const value = Number(raw);
    return /^\d{1,12}$/.test(raw) && value >= min && value <= max ? value : undefined;
  });
}

/** Bytes, or a number of binary units: `1073741824`, `500M`, `10G`. */
const sizeBytes = parsed('a number of bytes, such as 1073741824, 500M or 10G', (raw) => {
  const [, digits, unit = ''] = /^(\d{1,15})([KMGT]?)$/i.exec(raw) ?? [];
  const bytes = Number(digits ?? Number.NaN) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase());
  return Number.isSafeInteger(bytes) ? bytes : undefined;
});

function oneOf<const T extends readonly string[]>(words: T) {
  return parsed(`one of ${words.join(', ')}`, (raw): T[number] | undefined =>
    words.find((word) => word === raw.toLowerCase()),
  );
}

function list<T>(mend: string, parse: (item: string) => T | undefined) {
  return parsed(mend, (raw): readonly T[] | undefined => {
    const items = raw.split(',').map((item) => parse(item.trim()));
    const valid = items.filter((item) => item !== undefined);
    return valid.length === items.length ? valid : undefined;
  });
}

function matching(pattern: RegExp, mend: string) {
  return parsed(mend, (raw) => (pattern.test(raw) ? raw : undefined));
}

function url(protocols: readonly string[], mend: string) {
  return parsed(mend, (raw) => {
    const protocol = URL.canParse(raw) ? new URL(raw).protocol : '';
    return protocols.includes(protocol) ? raw : undefined;
  });
}

const yesOrNo = parsed('true or false', (raw) => {
  if (['true', '1', 'yes', 'on'].includes(raw.toLowerCase())) return true;
  return ['false', '0', 'no', 'off'].includes(raw.toLowerCase()) ? false : undefined;
});

const encryptionKey = parsed(
  '32 bytes as 64 hexadecimal digits or base64 (make one with "openssl rand -hex 32")',
  (raw) => {
    if (/^[0-9a-f]{64}$/i.test(raw)) return Buffer.from(raw, 'hex');
    return /^[A-Za-z0-9+/]{43}=$/.test(raw) ? Buffer.from(raw, 'base64') : undefined;
  },
);

/** A path is only ever joined to, so the root itself would let the service write beside everything else. */
function parseVolume(item: string): readonly [string, string] | undefined {
  const [, name, path] = /^([a-z0-9][a-z0-9_-]{0,31})=(.+)$/.exec(item) ?? [];
  if (name === undefined || path === undefined || !isAbsolute(path)) return undefined;
  const root = normalize(path).replace(/\/+$/, '');
  return root === '' ? undefined : [name, root];
}

const volumes = list(
  'name=/absolute/path pairs joined by commas, such as fast=/mnt/fast,big=/mnt/big, with names in lower-case letters, digits, "-" and "_"',
  parseVolume,
)
  .refine(
    (pairs) => new Set(pairs.map(([name]) => name)).size === pairs.length,
    'volumes with different names',
  )
  .refine(
    (pairs) => new Set(pairs.map(([, path]) => path)).size === pairs.length,
    'volumes with different paths',
  );

function parseProxy(item: string): string | undefined {
  const [address = '', prefix, more] = item.split('/');
  const bitsMax = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (bitsMax < 0 || more !== undefined) return undefined;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bitsMax) ? item : undefined;
}

/** Without a slash at the end, so that paths are joined to it as they are. */
function parsePublicUrl(raw: string): string | undefined {
  if (!URL.canParse(raw)) return undefined;
  const { protocol, origin, pathname, search, hash, username, password } = new URL(raw);
  if ((protocol !== 'http:' && protocol !== 'https:') || `${search}${hash}${username}${password}` !== '')
    return undefined;
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

const collectorUrl = url(['http:', 'https:'], 'an http or https url, such as http://127.0.0.1:4318');

/**
 * Every setting the service knows, by the name of its variable. Values are what was given, parsed; what is missing is
 * `undefined` or the default here. Issue messages complete the sentence "NAME must be …".
 */
export const settingsSchema = z.object({
  PORT: whole(0, 65_535).default(8080),
  HOST: matching(/^\S+$/, 'an address or host name to listen on').default('127.0.0.1'),
  DATABASE_URL: url(
    ['postgres:', 'postgresql:'],
    'a url such as postgres://user:password@host:5432/name',
  ).optional(),
  REDIS_URL: url(['redis:', 'rediss:'], 'a url such as redis://host:6379').optional(),
  LOG_LEVEL: oneOf(logLevels).default('info'),
  NODE_ENV: z.string().default('production'),
  // libuv's own default and bounds.
  UV_THREADPOOL_SIZE: whole(1, 1024).default(4),
  VFOLDER_DATA_DIR: z.string().default('./data'),
  VFOLDER_ADMIN_EMAIL: matching(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'an e-mail address').default(
    'admin@vfolder.local',
  ),
  VFOLDER_ADMIN_ACCESS_KEY: matching(/^[A-Za-z0-9]{4,64}$/, '4 to 64 letters and digits').optional(),
  VFOLDER_ADMIN_SECRET_KEY: matching(
    /^[!-~]{16,256}$/,
    'at least 16 printable characters without spaces (make one with "openssl rand -hex 20")',
  ).optional(),
  VFOLDER_WORKERS: whole(0, 64).default(2),
  VFOLDER_VOLUMES: volumes.optional(),
  VFOLDER_ENCRYPTION_KEY: encryptionKey.optional(),
  VFOLDER_METRICS_PORT: whole(0, 65_535).optional(),
  VFOLDER_METRICS_HOST: matching(/^\S+$/, 'an address or host name to listen on').default('127.0.0.1'),
  VFOLDER_SHUTDOWN_SECONDS: whole(1, 3600).default(30),
  VFOLDER_DRAIN_SECONDS: whole(0, 600).default(0),
  VFOLDER_QUEUES: list(`one or more of ${queueNames.join(', ')}, joined by commas`, (item) =>
    queueNames.find((name) => name === item),
  ).default(queueNames),
  VFOLDER_CONCURRENCY: whole(1, 256).optional(),
  VFOLDER_MAX_FOLDERS: whole(0, 1_000_000_000).optional(),
  VFOLDER_MAX_FOLDER_BYTES: sizeBytes.optional(),
  VFOLDER_MAX_FOLDER_FILES: whole(0, 100_000_000_000).optional(),
  VFOLDER_RATE_LIMIT: whole(1, 1_000_000_000).default(1_000_000),
  VFOLDER_KEY_REQUESTS: whole(1, 100_000).default(2_048),
  VFOLDER_KEY_TRANSFERS: whole(1, 100_000).default(512),
  VFOLDER_TRASH_DAYS: whole(0, 3_650).default(0),
  VFOLDER_LINK_DAYS: whole(0, 3_650).default(linkDaysDefault),
  VFOLDER_AUDIT_DAYS: whole(1, 36_500).default(auditDaysDefault),
  VFOLDER_API_VERSION: oneOf(apiVersions).default(apiVersionDefault),
  VFOLDER_BULLBOARD_READONLY: yesOrNo.default(false),
  VFOLDER_PUBLIC_URL: parsed(
    'an http or https url without query, such as https://files.example.org/vfolder',
    parsePublicUrl,
  ).optional(),
  // The standard ones that decide whether anything is traced; the libraries of OpenTelemetry read the others.
  OTEL_SDK_DISABLED: yesOrNo.default(false),
  OTEL_TRACES_EXPORTER: oneOf(['otlp', 'none']).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collectorUrl.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.string().optional(),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: z.string().optional(),
  VFOLDER_ALLOW_PLAIN_SECRETS: yesOrNo.default(false),
  VFOLDER_TRUST_PROXY: list(
    'addresses or ranges joined by commas, such as 10.0.0.1,10.1.0.0/16',
    parseProxy,
  ).default([]),
});

/** Settings whose value is never shown and that can also be read from the file that `<NAME>_FILE` names. */
export const secretNames: readonly string[] = [
  'DATABASE_URL',
  'REDIS_URL',
  'VFOLDER_ADMIN_ACCESS_KEY',
  'VFOLDER_ADMIN_SECRET_KEY',
  'VFOLDER_ENCRYPTION_KEY',
];

/** Variables of the command line client and of docker-compose.yml, which often share our shell. */
export const foreignNames: readonly string[] = [
  'VFOLDER_URL',
  'VFOLDER_ACCESS_KEY',
  'VFOLDER_SECRET_KEY',
  'VFOLDER_TOKEN',
  'VFOLDER_PROFILE',
  'VFOLDER_UID',
  'VFOLDER_GID',
];
