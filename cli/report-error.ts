import { JobError, ProblemError } from '../client/errors.ts';
import { CliError, exitCodeOf, exitCodes } from './exit-codes.ts';
import { printable, red, type Terminal } from './terminal.ts';

/** What helps with a problem, where the problem itself does not say it. */
const mends: Readonly<Record<string, string>> = {
  auth_required: 'Sign in with "vfolder login", or set VFOLDER_ACCESS_KEY and VFOLDER_SECRET_KEY.',
  auth_failed: 'Sign in again with "vfolder login".',
  directory_not_recursive: 'Give -r to mean everything below it.',
  quota_exceeded: 'See "vfolder usage"; what lies in the trash counts until it is purged.',
  folder_limit_reached: 'Remove a folder you no longer need.',
  scope_missing: 'Use a token with the scope it needs, or a keypair.',
  admin_required: 'Use the keypair of an administrator.',
};

interface Complaint {
  readonly pointer: string;
  readonly detail: string;
}

function complaintsOf(error: ProblemError): Complaint[] {
  const fields: unknown = error.body.errors;
  if (!Array.isArray(fields)) return [];
  return fields.flatMap((field: unknown) => {
    if (typeof field !== 'object' || field === null) return [];
    return [{ pointer: String(Reflect.get(field, 'pointer')), detail: String(Reflect.get(field, 'detail')) }];
  });
}

function problemText(error: ProblemError): string {
  const complaints = complaintsOf(error).map(({ pointer, detail }) => `${pointer}: ${detail}`);
  const mend = mends[error.code];
  return [error.message, ...complaints, ...(mend === undefined ? [] : [mend])].map(printable).join('\n  ');
}

function textOf(error: unknown): string {
  if (error instanceof ProblemError) return problemText(error);
  if (exitCodeOf(error) === exitCodes.interrupted && !(error instanceof CliError)) return 'Interrupted.';
  return error instanceof Error ? error.message : String(error);
}

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  const complaints = error instanceof ProblemError ? complaintsOf(error) : [];
  const [only] = complaints;
  if (only !== undefined && complaints.length === 1) return printable(only.detail);
  return error instanceof Error ? printable(error.message) : String(error);
}

/** An error as machines are told it: the problem of the service, or one like it. */
export function bodyOf(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof ProblemError) return error.body;
  const jobId = error instanceof JobError ? { job_id: error.jobId, code: error.code } : {};
  const members = error instanceof CliError ? error.members : {};
  return { title: textOf(error), detail: textOf(error), exit_code: exitCodeOf(error), ...jobId, ...members };
}

/** Tells of an error on stderr: in a sentence, or as the problem object. @returns the code to end with */
export function reportError(
  terminal: Terminal,
  error: unknown,
  { isJson }: { readonly isJson: boolean },
): number {
  if (isJson) terminal.stderr.write(`${JSON.stringify(bodyOf(error))}\n`);
  else terminal.stderr.write(`${red(terminal, 'vfolder:')} ${textOf(error)}\n`);
  return exitCodeOf(error);
}
