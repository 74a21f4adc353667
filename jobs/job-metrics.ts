import type { JobKind } from '../domain/job.ts';
import type { QueueName } from './contracts.ts';

/**
 * How one run of a job ended. `retried` runs again after a failure, `deferred` because it asked to,
 * `handed_back` because its worker stops; `lost` is somebody else's.
 */
export const runResults = [
  'succeeded',
  'failed',
  'cancelled',
  'retried',
  'deferred',
  'handed_back',
  'lost',
] as const;

/** One of {@link runResults}. */
export type RunResult = (typeof runResults)[number];

/** Which work is counted: `queue` is the kind of work without its volume. */
export interface CountedWork {
  readonly queue: QueueName;
  readonly volume: string;
  readonly kind: JobKind;
}

/** Where the running of jobs is counted; the main hands it in. Neither call may throw or wait. */
export interface JobMetrics {
  /** The first run of a job begins. */
  waited(work: CountedWork, seconds: number): void;
  /** One run is over. */
  ran(work: CountedWork, run: { readonly result: RunResult; readonly seconds: number }): void;
}
