/** A refusal of the service: an RFC 9457 problem. `body` is the whole problem, to be shown to machines. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, body: Readonly<Record<string, unknown>>) {
    super(textOf(body.detail) ?? textOf(body.title) ?? `The service answered ${status}.`);
    this.name = 'ProblemError';
    this.status = status;
    this.code = textOf(body.code) ?? `http_${status}`;
    this.body = body;
  }
}

/** The service could not be reached, or the connection broke and stayed broken. May be tried again, unless it is lasting. */
export class ConnectionError extends Error {
  /** What is there is not trusted, or speaks something else: it will be the same next time. */
  readonly isLasting: boolean;

  constructor(detail: string, cause: unknown, { isLasting = false }: { readonly isLasting?: boolean } = {}) {
    super(detail, { cause });
    this.name = 'ConnectionError';
    this.isLasting = isLasting;
  }
}

/** What was answered is not what this client knows: another service, or another version of it. */
export class ReplyError extends Error {
  constructor(detail: string, cause?: unknown) {
    super(detail, { cause });
    this.name = 'ReplyError';
  }
}

/** What the client was given cannot be used: an address that is none, or credentials that no header can carry. */
export class InputError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'InputError';
  }
}

/** A job that was waited for ended as failed or cancelled. */
export class JobError extends Error {
  readonly jobId: string;
  readonly state: string;
  readonly code: string;

  constructor(job: {
    readonly id: string;
    readonly state: string;
    readonly code: string;
    readonly detail: string;
  }) {
    super(job.detail);
    this.name = 'JobError';
    this.jobId = job.id;
    this.state = job.state;
    this.code = job.code;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Tells whether `error` is a refusal with that code. */
export function isProblem(error: unknown, ...codes: readonly string[]): error is ProblemError {
  return error instanceof ProblemError && (codes.length === 0 || codes.includes(error.code));
}
