/** Every condition the service can refuse for; `api/problem.ts` maps each to one RFC 9457 problem. */
export const errorCodes = [
  'request_malformed',
  'request_timeout',
  'headers_too_large',
  'path_invalid',
  'name_invalid',
  'auth_required',
  'auth_invalid',
  'auth_failed',
  'request_replayed',
  'admin_required',
  'origin_refused',
  'scope_missing',
  'token_limit_reached',
  'not_found',
  'method_not_allowed',
  'body_too_large',
  'media_type_unsupported',
  'idempotency_in_flight',
  'idempotency_key_reused',
  'rate_limited',
  'requests_busy',
  'folder_name_taken',
  'folder_limit_reached',
  'folder_mounted',
  'mounts_differ',
  'mount_limit_reached',
  'quota_exceeded',
  'archives_busy',
  'archive_limit_reached',
  'transfer_token_limit_reached',
  'links_off',
  'link_limit_reached',
  'link_password_required',
  'entry_not_found',
  'entry_conflict',
  'entry_not_regular',
  'entry_changed',
  'directory_not_recursive',
  'digest_mismatch',
  'upload_aborted',
  'upload_empty',
  'upload_offset_mismatch',
  'upload_length_mismatch',
  'upload_unfinished',
  'upload_final',
  'upload_gone',
  'upload_locked',
  'checksum_mismatch',
  'tus_version_unsupported',
  'precondition_failed',
  'range_not_satisfiable',
  'invitee_missing',
  'email_taken',
  'last_admin',
  'policy_taken',
  'policy_in_use',
  'permission_denied',
  'path_busy',
  'job_not_cancellable',
  'job_not_retriable',
  'job_failed',
  'job_cancelled',
  'volume_full',
  'volume_read_only',
  'volume_draining',
  'volume_not_allowed',
  'volume_unavailable',
  'service_unavailable',
  'internal',
] as const;

/** One of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

/** One field-level complaint: an RFC 6901 pointer (or parameter name) and a sentence. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/**
 * Optional parts of a {@link DomainError}. `extra` is shown to the caller, `cause` only to the operator;
 * `retryAfterSeconds` when the refusal passes by itself, though its kind does not always.
 */
export interface DomainErrorOptions {
  readonly cause?: unknown;
  readonly errors?: readonly FieldError[];
  readonly extra?: Readonly<Record<string, string | number | boolean>>;
  readonly retryAfterSeconds?: number;
}

/** A refusal with a code. `message` is a sentence for the caller and never holds a server path, SQL or a secret. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
  readonly extra: Readonly<Record<string, string | number | boolean>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, detail: string, options: DomainErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.errors = options.errors ?? [];
    this.extra = options.extra ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Makes a {@link DomainError}: `throw domainError('entry_not_found', 'No entry has that path.')`. */
export function domainError(code: ErrorCode, detail: string, options: DomainErrorOptions = {}): DomainError {
  return new DomainError(code, detail, options);
}

/** Tells whether `error` is a {@link DomainError}, with that code when one is given. */
export function isDomainError(error: unknown, code?: ErrorCode): error is DomainError {
  return error instanceof DomainError && (code === undefined || error.code === code);
}
