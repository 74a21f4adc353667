import { type DomainError, domainError, type ErrorCode, isDomainError } from '../../../domain/errors.ts';
import { errnoOf } from '../errno.ts';
import type { Turns } from './processor-wait.ts';
import type { Tally } from './progress.ts';
import type { Demand, TreePart } from './tree-part.ts';
import type { TreeTask } from './tree-runner.ts';

/** The descriptor under which a walker finds the root of the volume. */
export const volumeFd = 4;

/**
 * What a walker is told. `demand` asks for a part of what it is at for each of the takers; `stop` ends what it does for a walk, which has ended.
 * `pause` lets it stand still where it is, with all that it has, until `resume`; both are fine at any time.
 */
export type WalkerOrder =
  | { readonly type: 'run'; readonly walk: number; readonly task: TreeTask; readonly part: TreePart }
  | { readonly type: 'demand'; readonly demand: Demand; readonly takers: number }
  | { readonly type: 'stop'; readonly walk: number }
  | { readonly type: 'pause' | 'resume' };

/** Numbers per file in `linked`: inode, links, bytes, and how many of its names were met. */
export const linkedColumns = 4;
/** Classes of call times: the nth is from 2^n to 2^(n+1) microseconds. */
export const latencyClasses = 24;

/** An error on its way to another process, which a copy would strip of its number. */
export type Failure =
  | { readonly kind: 'domain'; readonly code: ErrorCode; readonly detail: string }
  | { readonly kind: 'system'; readonly errno: number; readonly code: string }
  | { readonly kind: 'other'; readonly text: string };

/** Counts of what came since the last ones. */
export interface Report {
  readonly tally: Tally;
  /** `null` for none: a message with an array takes longer. */
  readonly linked: BigUint64Array | null;
  readonly latencies: readonly number[];
  /** `null` where the kernel does not tell. */
  readonly turns: Turns | null;
}

/** What a walker has to say. */
export type WalkerMessage =
  | { readonly type: 'report'; readonly walk: number; readonly report: Report }
  | { readonly type: 'parts'; readonly walk: number; readonly parts: readonly TreePart[] }
  | { readonly type: 'failure'; readonly walk: number; readonly failure: Failure; readonly isFatal: boolean }
  | {
      readonly type: 'done';
      readonly walk: number;
      readonly isEmpty: boolean;
      readonly report: Report | null;
    };

/** Packs an error. */
export function packFailure(error: unknown): Failure {
  if (isDomainError(error)) return { kind: 'domain', code: error.code, detail: error.message };
  const errno = errnoOf(error);
  if (errno === 0)
    return { kind: 'other', text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { kind: 'system', errno, code };
}

/** Unpacks it; a failed system call has its number, and not the path that its message had. */
export function unpackFailure(failure: Failure): DomainError | Error {
  if (failure.kind === 'domain') return domainError(failure.code, failure.detail);
  if (failure.kind === 'other') return new Error(`A walker failed: ${failure.text}`);
  const { errno, code } = failure;
  return Object.assign(new Error(`A system call on the volume failed: ${code}`), { errno, code });
}
