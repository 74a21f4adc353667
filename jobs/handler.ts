import type { Executor } from '../db/client.ts';
import type { Claim, SuccessfulEnd } from '../db/queries/job-lease.ts';
import type { DomainError } from '../domain/errors.ts';
import type { JobKind, JobProgress } from '../domain/job.ts';
import type { TraceContext } from '../domain/trace.ts';
import type { JobPayload } from './contracts.ts';

/** The row of a running job, as its handler may see it. */
export interface RunningJob<K extends JobKind = JobKind> {
  readonly id: string;
  readonly kind: K;
  readonly volume: string;
  readonly folderId: string | null;
  readonly actorId: string | null;
  readonly payload: JobPayload<K>;
  /** Failed or lost runs before this one. */
  readonly attempt: number;
  /** Whether the job ends as failed if this run fails. */
  readonly isLastAttempt: boolean;
  /** What this run belongs to, for the jobs that it leaves behind. */
  readonly trace: TraceContext | undefined;
  /** What an earlier run saved by `saveCheckpoint`, else `null`. */
  readonly checkpoint: unknown;
}

/** A running job and what its handler may do before the end. */
export interface JobContext<K extends JobKind = JobKind> {
  readonly job: RunningJob<K>;
  /** This run's claim, for statements that look at it themselves in place of `fenced`; a lost one is `LeaseLostError`. */
  readonly claim: Claim;
  /** Aborted on cancel, timeout, shutdown and when the lease is lost; the handler stops soon and throws `signal.reason`. */
  readonly signal: AbortSignal;
  /** Shows progress; throttled, may be called for every entry. */
  report(progress: JobProgress): void;
  /**
   * Runs `change` in a transaction that holds only while this run still owns the job, with `checkpoint` saved in the
   * same transaction when given.
   * @throws LeaseLostError when another worker took over; nothing of `change` stays
   */
  fenced<T>(change: (tx: Executor) => Promise<T>, checkpoint?: unknown): Promise<T>;
  /** Runs a step of the work, recorded under `name` (`noun.verb`) where runs are. @throws what `work` throws */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** How a run ended well: the result to show, and the change that belongs to the end, applied exactly once with it. */
export interface JobOutcome {
  readonly result: unknown;
  settle?(tx: Executor): Promise<void>;
  /**
   * In place of `settle`, for what ends often: ends the job itself, in the statement that makes the change. May be called again
   * while nothing took effect. @returns whether the claim still held; if not, nothing is written
   */
  end?(end: SuccessfulEnd): Promise<boolean>;
}

/** The code behind one kind of job. Safe to run twice, late and concurrently; effects that count go through `settle` and `fenced`. */
export interface JobHandler<K extends JobKind = JobKind> {
  run(context: JobContext<K>): Promise<JobOutcome>;
  /**
   * Gives back what the job held, in the transaction that ends it as failed or cancelled. Runs without the handler's
   * context, may run in another process and must only touch the database.
   */
  abandon?(tx: Executor, job: RunningJob<K>): Promise<void>;
}

/** A handler for every kind; a missing one does not compile. */
export type JobHandlers = { readonly [K in JobKind]: JobHandler<K> };

/** The run no longer owns its job; whatever it does has no effect, and it ends silently. */
export class LeaseLostError extends Error {
  constructor() {
    super('The lease of this job was lost to another worker.');
    this.name = 'LeaseLostError';
  }
}

/** Thrown by a handler to hand the job back without counting an attempt: it runs again after `delayMs`. */
export class JobDeferredError extends Error {
  readonly delayMs: number;

  constructor(delayMs: number, reason: string) {
    super(reason);
    this.name = 'JobDeferredError';
    this.delayMs = delayMs;
  }
}

/** Thrown by a handler whose run failed for a reason that is final by its code but may pass: it counts, and repeats. */
export class JobRetryError extends Error {
  readonly failure: DomainError;

  constructor(failure: DomainError) {
    super(failure.message, { cause: failure });
    this.name = 'JobRetryError';
    this.failure = failure;
  }
}
