import { failureOf } from '../db/failure.ts';
import { DomainError, type ErrorCode, type FieldError } from '../domain/errors.ts';

/** An RFC 9457 problem, ready to be written: `body` is the JSON text. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly code: ErrorCode;
}

/** The members of a problem; those of `extra` stand beside them. */
export interface ProblemBody extends Readonly<Record<string, unknown>> {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldError[] | undefined;
}

/** What a problem says about the request it refuses. `instance` is as `instanceOf` has it. */
export interface ProblemContext {
  readonly instance: string;
  readonly requestId: string;
  /** Stands before paths of ours where callers are. */
  readonly pathPrefix: string;
  /** What the profile of the request makes of the members. */
  readonly shape?: (body: ProblemBody) => ProblemBody;
}

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Replaces whatever the thrower said: for errors whose cause the caller must not learn. */
  readonly fixedDetail?: string;
  readonly retryAfterSeconds?: number;
}

const notFound: ProblemKind = {
  status: 404,
  title: 'Not found',
  fixedDetail: 'Nothing is here, or you may not have the permission for it.',
};

/** Every error code with its HTTP status and title; a code without a row does not compile. */
export const problemKinds: Readonly<Record<ErrorCode, ProblemKind>> = {
  request_malformed: { status: 400, title: 'The request is malformed' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  path_invalid: { status: 400, title: 'The path is invalid' },
  name_invalid: { status: 400, title: 'The name is invalid' },
  auth_required: { status: 401, title: 'Authentication is required' },
  auth_invalid: { status: 400, title: 'The credentials are malformed' },
  auth_failed: {
    status: 401,
    title: 'Authentication failed',
    fixedDetail: 'The access key or its proof is not accepted.',
  },
  request_replayed: { status: 409, title: 'The request was received before' },
  scope_missing: { status: 403, title: 'The token does not reach that far' },
  token_limit_reached: { status: 409, title: 'The limit on tokens is reached' },
  admin_required: { status: 403, title: 'An administrator is required' },
  origin_refused: { status: 403, title: 'The request comes from another site' },
  not_found: notFound,
  permission_denied: notFound,
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  media_type_unsupported: { status: 415, title: 'The media type is not supported' },
  idempotency_in_flight: { status: 409, title: 'The same request is running', retryAfterSeconds: 1 },
  idempotency_key_reused: { status: 422, title: 'The key was used for another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  requests_busy: { status: 429, title: 'Too many requests at the same time', retryAfterSeconds: 1 },
  folder_name_taken: { status: 400, title: 'The folder name is taken' },
  folder_limit_reached: { status: 406, title: 'The limit on folders is reached' },
  folder_mounted: { status: 409, title: 'The folder is mounted' },
  mounts_differ: { status: 409, title: 'The session has other mounts' },
  mount_limit_reached: { status: 409, title: 'The limit on sessions with mounts is reached' },
  archives_busy: { status: 429, title: 'Too many archives are being built', retryAfterSeconds: 5 },
  archive_limit_reached: { status: 409, title: 'The limit on archives is reached' },
  transfer_token_limit_reached: { status: 429, title: 'The limit on transfer tokens is reached' },
  links_off: { status: 403, title: 'Links are switched off' },
  link_limit_reached: { status: 409, title: 'The limit on links is reached' },
  link_password_required: { status: 401, title: 'The link asks for its password' },
  quota_exceeded: { status: 507, title: 'The quota is exceeded' },
  entry_not_found: { status: 404, title: 'The entry is not found' },
  entry_conflict: { status: 400, title: 'Another kind of entry has that path' },
  entry_not_regular: { status: 400, title: 'The entry is not a regular file' },
  entry_changed: { status: 409, title: 'The entry changed while it was read', retryAfterSeconds: 1 },
  directory_not_recursive: { status: 400, title: 'A directory needs "recursive"' },
  digest_mismatch: { status: 400, title: 'The content does not match its digest' },
  upload_aborted: { status: 400, title: 'The upload was broken off' },
  upload_empty: { status: 400, title: 'The upload holds no file' },
  upload_offset_mismatch: { status: 409, title: 'The upload is at another offset' },
  upload_length_mismatch: { status: 400, title: 'The upload has another length' },
  upload_unfinished: { status: 400, title: 'A part of the upload is unfinished' },
  upload_final: { status: 403, title: 'The upload takes no bytes of its own' },
  upload_gone: { status: 410, title: 'The upload is gone' },
  upload_locked: { status: 423, title: 'The upload is being written', retryAfterSeconds: 1 },
  checksum_mismatch: { status: 460, title: 'The bytes do not match their checksum' },
  tus_version_unsupported: { status: 412, title: 'The version of tus is not supported' },
  invitee_missing: { status: 400, title: 'No invitee is named' },
  email_taken: { status: 409, title: 'The e-mail address is taken' },
  last_admin: { status: 409, title: 'The last administrator cannot be taken away' },
  policy_taken: { status: 409, title: 'The name of the policy is taken' },
  policy_in_use: { status: 409, title: 'The policy is in use' },
  path_busy: { status: 409, title: 'The path is busy', retryAfterSeconds: 1 },
  precondition_failed: { status: 412, title: 'A precondition does not hold' },
  range_not_satisfiable: { status: 416, title: 'The range cannot be satisfied' },
  job_not_cancellable: { status: 409, title: 'The job can no longer be cancelled' },
  job_not_retriable: { status: 409, title: 'The job cannot be given another go' },
  job_failed: { status: 500, title: 'The job failed' },
  job_cancelled: { status: 409, title: 'The job was cancelled' },
  volume_full: { status: 507, title: 'The storage is full' },
  volume_read_only: { status: 409, title: 'The storage is read-only' },
  volume_draining: { status: 409, title: 'The storage takes no new folders' },
  volume_not_allowed: { status: 403, title: 'The storage is not for you' },
  volume_unavailable: { status: 503, title: 'The storage is unavailable', retryAfterSeconds: 5 },
  service_unavailable: {
    status: 503,
    title: 'The service is unavailable',
    fixedDetail: 'A part that the service needs cannot be reached at the moment. Try again.',
    retryAfterSeconds: 5,
  },
  internal: {
    status: 500,
    title: 'Internal error',
    fixedDetail: 'Something went wrong on our side. The request id helps to find out what.',
  },
};

/** Says which error code an arbitrary thrown value stands for: its own, an outage of a part we need, or `internal`. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (error instanceof DomainError) return error.code;
  // A lost connection and a lost conflict both pass; the caller may try again.
  return failureOf(error) === 'other' ? 'internal' : 'service_unavailable';
}

/** Where a code is explained: the `type` of its problem, which leads there from whatever URL it is read against. */
export function problemPath(code: ErrorCode, pathPrefix: string): string {
  return `${pathPrefix}/problems/${code}`;
}

/** Every status that a code can be answered with. */
export function statusesOf(code: ErrorCode): readonly number[] {
  const { status } = problemKinds[code];
  return code === 'quota_exceeded' ? [413, status] : [status];
}

// A request for more than the folder could ever hold is a body too large for good (413); else room may come back (507).
function statusOf(kind: ProblemKind, error: unknown): number {
  if (!(error instanceof DomainError) || error.code !== 'quota_exceeded') return kind.status;
  const { limit, requested } = error.extra;
  const isTooLargeForGood = typeof limit === 'number' && typeof requested === 'number' && requested > limit;
  return isTooLargeForGood ? 413 : kind.status;
}

/**
 * Turns anything thrown into a problem. Only what a `DomainError` says for callers is shown; everything else gets a
 * fixed sentence. Missing and forbidden answer byte for byte the same on the same path, hence no request id in them.
 */
export function toProblem(error: unknown, context: ProblemContext): Problem {
  const code = errorCodeOf(error);
  const kind = problemKinds[code];
  const status = statusOf(kind, error);
  const isMasked = kind === notFound;
  const shownCode = isMasked ? 'not_found' : code;
  const shown = error instanceof DomainError && kind.fixedDetail === undefined ? error : undefined;
  const body: ProblemBody = {
    ...shown?.extra,
    type: problemPath(shownCode, context.pathPrefix),
    title: kind.title,
    status,
    detail: shown?.message ?? kind.fixedDetail ?? kind.title,
    instance: context.instance,
    code: shownCode,
    ...(isMasked ? {} : { request_id: context.requestId }),
    ...(shown === undefined || shown.errors.length === 0 ? {} : { errors: shown.errors }),
  };
  const text = JSON.stringify(context.shape?.(body) ?? body);
  return {
    status,
    headers: problemHeaders({ status, code: shownCode }, shown?.retryAfterSeconds ?? kind.retryAfterSeconds),
    body: text,
    code: shownCode,
  };
}

function problemHeaders(
  { status, code }: Pick<Problem, 'status' | 'code'>,
  retryAfterSeconds: number | undefined,
): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (retryAfterSeconds !== undefined) headers['Retry-After'] = String(retryAfterSeconds);
  // Basic works but is not offered: browsers would open their sign-in window for it. Where that is what people need, for the
  // password of a link, whoever refuses says so.
  if (status === 401 && code !== 'link_password_required') {
    headers['WWW-Authenticate'] =
      'BackendAI realm="vfolder", signMethod="HMAC-SHA256", Bearer realm="vfolder"';
  }
  return headers;
}
