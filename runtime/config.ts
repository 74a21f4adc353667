import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { foreignNames, secretNames, settingsSchema } from './settings.ts';
import { type TracingSettings, tracingOf } from './tracing-settings.ts';

type Settings = z.output<typeof settingsSchema>;

/** The settings of a process, parsed and complete. Times in milliseconds, paths absolute. */
export interface Config {
  /** 0 asks for any free port. */
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  readonly adminEmail: string;
  /** Given by the operator; else one is made once. */
  readonly adminKeypair: { readonly accessKey: string; readonly secretKey: string } | undefined;
  readonly workers: number;
  /** `undefined` asks for the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  /** `undefined` puts the queues into Postgres. */
  readonly redisUrl: string | undefined;
  /** Root directory by volume name, in the order given. */
  readonly volumes: ReadonlyMap<string, string>;
  /** 32 bytes; `undefined` takes the one in the data directory. */
  readonly encryptionKey: Buffer | undefined;
  readonly shutdownMs: number;
  /** Where figures are read; `undefined`: nowhere. Port 0 asks for any free one. */
  readonly metrics: { readonly port: number; readonly host: string } | undefined;
  /** How traces are sent; `undefined`: nothing is traced. */
  readonly tracing: TracingSettings | undefined;
  /** How long the API takes new connections after it said that it is not ready; part of `shutdownMs`, half of it at most. */
  readonly drainMs: number;
  readonly queues: Settings['VFOLDER_QUEUES'];
  /** Jobs that a worker runs at once per queue; `undefined` leaves it to the queue. */
  readonly concurrency: number | undefined;
  /** Of users and of new folders that nobody gave limits of their own; `undefined`: as they are. */
  readonly limits: {
    readonly foldersMax: number | undefined;
    readonly folderBytesMax: number | undefined;
    readonly folderFilesMax: number | undefined;
  };
  /** Requests per 900 seconds and keypair. */
  readonly rateLimit: number;
  /** Requests, and among them uploads and downloads, that one process serves to one keypair at the same time. */
  readonly concurrencyPerKey: { readonly requestsMax: number; readonly transfersMax: number };
  /** The dashboard of the queues only shows. */
  readonly isDashboardReadOnly: boolean;
  /** Whether Basic credentials are taken over connections that others may read. */
  readonly allowsPlainSecrets: boolean;
  /** How long deleted folders can be had back; 0: not at all. */
  readonly trashDays: number;
  /** How long links may last; 0: there are none. */
  readonly linkDays: number;
  /** How long entries of the audit log are kept. */
  readonly auditDays: number;
  /** Addresses and CIDR ranges. */
  readonly trustedProxies: readonly string[];
  /** Told to clients that negotiate. */
  readonly apiVersion: Settings['VFOLDER_API_VERSION'];
  /** Where callers reach the service, without a slash at the end; `undefined`: where their requests say they do. */
  readonly publicUrl: string | undefined;
  readonly logLevel: Settings['LOG_LEVEL'];
  readonly nodeEnv: string;
  /** Size of libuv's pool, which file system calls of all volumes share. */
  readonly threads: number;
}

/** A set of environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

const names = Object.keys(settingsSchema.shape);

/**
 * Reads the settings from environment variables. An empty value counts as unset.
 * @throws ConfigError naming the variable and the mend: for a wrong value, two values for one thing, an unreadable
 *   `_FILE`, and any `VFOLDER_` name that does not exist
 */
export function readConfig(env: Environment): Config {
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || value.trim() === '' ? [] : [[name, value]],
    ),
  );
  refuseUnknown(Object.keys(given));
  const values = Object.fromEntries(names.map((name) => [name, givenValue(name, given)]));
  const result = settingsSchema.safeParse(values);
  if (!result.success) throw wrongSetting(result.error.issues[0], values);
  return toConfig(result.data);
}

function refuseUnknown(given: readonly string[]): void {
  const known = new Set([...names, ...secretNames.map((name) => `${name}_FILE`), ...foreignNames]);
  for (const name of given) {
    if (!name.startsWith('VFOLDER_') || name.startsWith('VFOLDER_TEST_') || known.has(name)) continue;
    const near = nearest(name, [...known]);
    const mend =
      near === undefined ? 'remove it; docs/CONFIGURATION.md lists them all' : `did you mean ${near}?`;
    throw new ConfigError(`${name} is not a setting: ${mend}`);
  }
}

function givenValue(name: string, given: Environment): string | undefined {
  const fileName = secretNames.includes(name) ? given[`${name}_FILE`] : undefined;
  if (fileName === undefined) return given[name];
  if (given[name] !== undefined)
    throw new ConfigError(`${name} and ${name}_FILE are both set: remove one of them.`);
  try {
    return readFileSync(fileName, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError(
      `${name}_FILE names a file that cannot be read: mend the name or the file's mode.`,
      { cause },
    );
  }
}

function wrongSetting(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
  values: Environment,
): ConfigError {
  const name = String(issue?.path[0]);
  const shown = secretNames.includes(name) ? '' : `, not "${values[name]}"`;
  return new ConfigError(`${name} must be ${issue?.message}${shown}.`);
}

function toConfig(settings: Settings): Config {
  const dataDir = resolve(settings.VFOLDER_DATA_DIR);
  const volumes = settings.VFOLDER_VOLUMES ?? [['local', join(dataDir, 'volumes', 'local')]];
  return {
    port: settings.PORT,
    host: settings.HOST,
    dataDir,
    adminEmail: settings.VFOLDER_ADMIN_EMAIL,
    adminKeypair: adminKeypair(settings),
    workers: settings.VFOLDER_WORKERS,
    databaseUrl: settings.DATABASE_URL,
    redisUrl: settings.REDIS_URL,
    volumes: new Map(volumes),
    encryptionKey: settings.VFOLDER_ENCRYPTION_KEY,
    shutdownMs: settings.VFOLDER_SHUTDOWN_SECONDS * 1000,
    metrics: metricsAddress(settings),
    tracing: tracingOf(settings),
    drainMs: settings.VFOLDER_DRAIN_SECONDS * 1000,
    queues: settings.VFOLDER_QUEUES,
    concurrency: settings.VFOLDER_CONCURRENCY,
    limits: {
      foldersMax: settings.VFOLDER_MAX_FOLDERS,
      folderBytesMax: settings.VFOLDER_MAX_FOLDER_BYTES,
      folderFilesMax: settings.VFOLDER_MAX_FOLDER_FILES,
    },
    rateLimit: settings.VFOLDER_RATE_LIMIT,
    concurrencyPerKey: {
      requestsMax: settings.VFOLDER_KEY_REQUESTS,
      transfersMax: settings.VFOLDER_KEY_TRANSFERS,
    },
    isDashboardReadOnly: settings.VFOLDER_BULLBOARD_READONLY,
    allowsPlainSecrets: settings.VFOLDER_ALLOW_PLAIN_SECRETS,
    trashDays: settings.VFOLDER_TRASH_DAYS,
    linkDays: settings.VFOLDER_LINK_DAYS,
    auditDays: settings.VFOLDER_AUDIT_DAYS,
    trustedProxies: settings.VFOLDER_TRUST_PROXY,
    apiVersion: settings.VFOLDER_API_VERSION,
    publicUrl: settings.VFOLDER_PUBLIC_URL,
    logLevel: settings.LOG_LEVEL,
    nodeEnv: settings.NODE_ENV,
    threads: settings.UV_THREADPOOL_SIZE,
  };
}

function metricsAddress(settings: Settings): Config['metrics'] {
  const { VFOLDER_METRICS_PORT: port, VFOLDER_METRICS_HOST: host } = settings;
  return port === undefined ? undefined : { port, host };
}

function adminKeypair(settings: Settings): Config['adminKeypair'] {
  const { VFOLDER_ADMIN_ACCESS_KEY: accessKey, VFOLDER_ADMIN_SECRET_KEY: secretKey } = settings;
  if (accessKey === undefined && secretKey === undefined) return undefined;
  if (accessKey === undefined)
    throw new ConfigError('VFOLDER_ADMIN_ACCESS_KEY is missing: set it beside VFOLDER_ADMIN_SECRET_KEY.');
  if (secretKey === undefined)
    throw new ConfigError('VFOLDER_ADMIN_SECRET_KEY is missing: set it beside VFOLDER_ADMIN_ACCESS_KEY.');
  return { accessKey, secretKey };
}

/** The candidate that differs in the fewest letters, when those are few. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= 4 ? best.candidate : undefined;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const replaced = (above[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    above = current;
  }
  return above.at(-1) ?? 0;
}
