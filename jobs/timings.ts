import type { JobKind } from '../domain/job.ts';
import { type JobContract, jobContracts } from './contracts.ts';

/** How patient background work is, in milliseconds. Tests shorten them; the service uses {@link usualTimings}. */
export interface JobTimings {
  /** A run whose worker is silent for this long is lost and may be taken over. */
  readonly leaseMs: number;
  /** How often a run extends its lease and looks for a cancel. */
  readonly heartbeatMs: number;
  /** How often every process looks for rows that are due. */
  readonly reconcileMs: number;
  /** How often every process looks whether scheduled work is missing. */
  readonly scheduleMs: number;
  /** How long a dispatched row may wait for its first claim before it is dispatched again. */
  readonly graceMs: number;
  /** The wait before the second repetition; doubles up to `redispatchMaxMs`. */
  readonly redispatchMs: number;
  readonly redispatchMaxMs: number;
  /** How long the queue store may take to accept jobs. */
  readonly addTimeoutMs: number;
  /** The shortest time between two progress writes of one job. */
  readonly progressMs: number;
  /** How long a handler may take to stop after its signal aborted; afterwards it is left alone, without effect. */
  readonly stopMs: number;
  /** How often a worker process says that it is up. */
  readonly beatMs: number;
}

/** The timings of the service. */
export const usualTimings: JobTimings = {
  leaseMs: 15_000,
  heartbeatMs: 5_000,
  reconcileMs: 1_000,
  scheduleMs: 5_000,
  graceMs: 2_000,
  redispatchMs: 3_000,
  redispatchMaxMs: 30_000,
  addTimeoutMs: 5_000,
  progressMs: 250,
  stopMs: 10_000,
  beatMs: 3_000,
};

/** A worker that was silent for this long is shown as such: three beats are missing. */
export const workerLateMs = 10_000;

/** A worker that was silent for this long is gone: whatever it held has been taken over by then. */
export const workerGoneMs = 30_000;

const heartbeatsPerLease = 5;

/** How long a run of `kind` may be silent, and how often it gives a sign. */
export function leaseOf(kind: JobKind, timings: JobTimings): Pick<JobTimings, 'leaseMs' | 'heartbeatMs'> {
  const { leaseMs = timings.leaseMs }: JobContract = jobContracts[kind];
  if (leaseMs >= timings.leaseMs) return timings;
  return { leaseMs, heartbeatMs: Math.min(timings.heartbeatMs, leaseMs / heartbeatsPerLease) };
}
