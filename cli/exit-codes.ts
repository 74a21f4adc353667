import { ConnectionError, InputError, JobError, ProblemError } from '../client/errors.ts';

/** What the program ends with. Scripts depend on these numbers. */
export const exitCodes = {
  ok: 0,
  other: 1,
  usage: 2,
  notFound: 3,
  forbidden: 4,
  temporary: 5,
  conflict: 6,
  limit: 7,
  partly: 8,
  job: 9,
  interrupted: 130,
} as const;

/** Ends the program with a sentence for people and a code for scripts. */
export class CliError extends Error {
  readonly exitCode: number;
  /** What machines are told besides. */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    exitCode: number,
    message: string,
    options: ErrorOptions & { readonly members?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.members = options.members ?? {};
  }
}

/** A command that is written wrongly. */
export function usageError(message: string): CliError {
  return new CliError(exitCodes.usage, message);
}

/** Codes of problems that their status alone would sort wrongly. */
const byCode: Readonly<Record<string, number>> = {
  request_malformed: exitCodes.usage,
  path_invalid: exitCodes.usage,
  name_invalid: exitCodes.usage,
  directory_not_recursive: exitCodes.usage,
  invitee_missing: exitCodes.notFound,
  folder_name_taken: exitCodes.conflict,
  entry_conflict: exitCodes.conflict,
  entry_not_regular: exitCodes.conflict,
  entry_changed: exitCodes.temporary,
  token_limit_reached: exitCodes.limit,
  archive_limit_reached: exitCodes.limit,
  folder_limit_reached: exitCodes.limit,
  quota_exceeded: exitCodes.limit,
  volume_full: exitCodes.limit,
  auth_invalid: exitCodes.forbidden,
  upload_aborted: exitCodes.temporary,
  job_cancelled: exitCodes.job,
  job_failed: exitCodes.job,
};

const byStatus: Readonly<Record<number, number>> = {
  401: exitCodes.forbidden,
  403: exitCodes.forbidden,
  404: exitCodes.notFound,
  406: exitCodes.limit,
  408: exitCodes.temporary,
  409: exitCodes.conflict,
  410: exitCodes.notFound,
  412: exitCodes.conflict,
  413: exitCodes.limit,
  422: exitCodes.conflict,
  423: exitCodes.temporary,
  429: exitCodes.temporary,
  507: exitCodes.limit,
};

function codeOfProblem({ code, status }: ProblemError): number {
  return byCode[code] ?? byStatus[status] ?? (status >= 500 ? exitCodes.temporary : exitCodes.other);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Which code an error ends the program with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof ProblemError) return codeOfProblem(error);
  if (error instanceof JobError) return byCode[error.code] ?? exitCodes.job;
  if (error instanceof InputError) return exitCodes.usage;
  if (error instanceof ConnectionError) return error.isLasting ? exitCodes.other : exitCodes.temporary;
  return isAbort(error) ? exitCodes.interrupted : exitCodes.other;
}
