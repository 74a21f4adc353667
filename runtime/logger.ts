import { type DestinationStream, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';

/** What a process logs through: `logger.info({ job_id: jobId }, 'job.finished')`; names of fields are snake_case. */
export type ProcessLogger = Logger;

/** The part of a logger that the rooms of the service ask for; a {@link ProcessLogger} is one. */
export interface EventLogger {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
  fatal(fields: Readonly<Record<string, unknown>>, event: string): void;
}

/** Credentials never reach a log, whoever logs the object they are in. */
const redacted = [
  'authorization',
  'cookie',
  'secret',
  'secretKey',
  'secret_key',
  '*.authorization',
  '*.cookie',
  '*.secret',
  '*.secretKey',
  '*.secret_key',
];

/**
 * Makes the logger of a process: one JSON line per event on stdout (or `destination`), with `time`, `level` as a word,
 * `role` and `pid`. An `err` field keeps message and stack of an error and its causes, without statement parameters.
 */
export function createLogger(options: {
  readonly role: string;
  readonly level: string;
  readonly destination?: DestinationStream;
}): ProcessLogger {
  const settings = {
    level: options.level,
    base: { role: options.role, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: serializeError },
    redact: { paths: redacted, censor: '[redacted]' },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}

/** The query builder appends every parameter to its message; they are tenants' names and sealed secrets. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack, type, code } = { code: undefined, ...stdSerializers.err(error) };
  return { type, message: withoutParameters(message), stack: withoutParameters(stack), code };
}

function withoutParameters(text: string): string {
  return text.replaceAll(/\nparams: .*(?:\n(?!\s+at |caused by: ).*)*/g, '');
}
