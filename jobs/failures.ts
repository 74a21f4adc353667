import { DomainError, type ErrorCode } from '../domain/errors.ts';
import { JobTimeoutError } from './abort-reasons.ts';
import { JobRetryError } from './handler.ts';

/** A failed run as its owner may see it. */
export interface JobFailure {
  readonly code: ErrorCode;
  readonly detail: string;
  /** Whether another run may end better. */
  readonly isTransient: boolean;
}

const transientCodes: ReadonlySet<ErrorCode> = new Set([
  'path_busy',
  'volume_unavailable',
  'service_unavailable',
  'internal',
]);

/** Failures that whoever runs the service has to look at; the others are refusals, which are the caller's to mend. */
export const operatorCodes: readonly ErrorCode[] = [
  'volume_full',
  'volume_unavailable',
  'service_unavailable',
  'job_failed',
  'internal',
];

/** Tells a failure that whoever runs the service has to look at from a refusal that is the caller's to mend. */
export function isForOperator(code: string): boolean {
  return operatorCodes.some((known) => known === code);
}

/** What a job without a worker that survives it has come to. */
export const poisoned: JobFailure = {
  code: 'internal',
  detail: 'Every worker that ran the job was lost before its end.',
  isTransient: false,
};

/**
 * Reads the error of a run. A refusal of the domain is final, unless it names a state that passes; a full volume is
 * final, because its owner has to act, unless the handler says that half of the work is done already. Whatever is not a refusal may hold paths or SQL and is shown as `internal`.
 */
export function readFailure(error: unknown): JobFailure {
  if (error instanceof JobRetryError) {
    return { code: error.failure.code, detail: error.failure.message, isTransient: true };
  }
  if (error instanceof DomainError) {
    return { code: error.code, detail: error.message, isTransient: transientCodes.has(error.code) };
  }
  if (error instanceof JobTimeoutError) {
    return { code: 'job_failed', detail: error.message, isTransient: true };
  }
  return {
    code: 'internal',
    detail: 'The job failed for a reason that is not its owner’s.',
    isTransient: true,
  };
}

/** The wait before the next run: doubles with every failed one, spread by a fifth so that a crowd disperses. */
export function backoffOf(
  contract: { readonly backoffMs: number; readonly backoffMsMax: number },
  failedRuns: number,
): number {
  const delayMs = Math.min(contract.backoffMs * 2 ** Math.min(failedRuns, 20), contract.backoffMsMax);
  return Math.round(delayMs * (0.9 + Math.random() * 0.2));
}
