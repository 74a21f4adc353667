import type { Database, Executor } from '../db/client.ts';
import type { JobNotifications } from '../db/notifications.ts';
import { type ClaimedJob, finishJob, holdClaim, type JobEnd, requeueJob } from '../db/queries/job-lease.ts';
import { recordPart, type Span, type Tracer, traceFields } from '../domain/trace.ts';
import {
  JobCancelledError,
  JobTimeoutError,
  VolumeReadOnlyError,
  WorkerStoppingError,
} from './abort-reasons.ts';
import { type JobContract, jobContracts } from './contracts.ts';
import { backoffOf, isForOperator, type JobFailure, poisoned, readFailure } from './failures.ts';
import {
  type JobContext,
  JobDeferredError,
  type JobHandler,
  type JobHandlers,
  type JobOutcome,
  LeaseLostError,
  type RunningJob,
} from './handler.ts';
import type { CountedWork, JobMetrics, RunResult } from './job-metrics.ts';
import { beginRunSpan, endRunSpan, type RunNote, traceOf } from './job-span.ts';
import { keepLease } from './lease.ts';
import type { JobLogger } from './logger.ts';
import { type Delivery, type HandedJob, queueNameOf } from './queue-store.ts';
import type { SharedStatements } from './runner-statements.ts';
import { pause } from './timers.ts';
import { type JobTimings, leaseOf } from './timings.ts';
import { readingKinds, type VolumeStates } from './volume-states.ts';
import { fencedTransaction, writeEnd } from './write-end.ts';

/** What running jobs takes. */
export interface RunnerParts {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly handlers: JobHandlers;
  readonly timings: JobTimings;
  readonly volumeStates: Pick<VolumeStates, 'stateOf' | 'subscribe'>;
  readonly logger: JobLogger;
  /** Where runs are counted. Default: nowhere. */
  readonly metrics?: JobMetrics | undefined;
  /** Where runs are recorded. Default: nowhere. */
  readonly tracer?: Tracer | undefined;
  /** Names this process in log lines. */
  readonly workerId: string;
  /** What it shares with the other runs of this worker. */
  readonly shared: SharedStatements;
  /** Aborts when this worker stops. */
  readonly stopping: AbortSignal;
  /** Whether this worker takes jobs at the moment; what is delivered to it nonetheless goes back. */
  readonly takesJobs: () => boolean;
  /** Ids of the jobs that this worker runs; kept here. */
  readonly running: Set<string>;
}

/** How often a job that has to end may fail to give back what it holds, before it ends without. */
const abandonTriesMax = 5;

const over: Delivery = { next: 'nothing' };
const handBack: Delivery = { next: 'hand_back' };

/**
 * Runs the job behind one delivery, if it still is to be run: claims the row, runs the handler under a lease, and
 * writes the end or the return to the queue. Deliveries may repeat, come late or from two queues; one claim wins.
 */
export async function runJob(parts: RunnerParts, handed: HandedJob): Promise<Delivery> {
  if (!parts.takesJobs()) return handBack;
  const row = await parts.shared.claim({ id: handed.id, handedFence: handed.fence });
  if (row === null) return over;
  const startedAt = performance.now();
  const span = beginRunSpan(parts.tracer, row, parts.workerId);
  const run: Run = { parts, row, handler: parts.handlers[row.kind], startedAt, span, note: {} };
  try {
    return await runRow(run);
  } finally {
    endRunSpan(span, run.note);
  }
}

async function runRow(run: Run): Promise<Delivery> {
  const { parts, row } = run;
  if (row.waitedMs !== null) parts.metrics?.waited(workOf(row), row.waitedMs / 1_000);
  const job = readJob(run);
  if (job === null)
    return await end(run, null, { state: 'failed', ...poisoned, detail: 'The job’s payload is not valid.' });
  if (row.isCancelRequested) return await end(run, job, { state: 'cancelled' });
  if (row.attempt >= row.attemptsMax) return await end(run, job, { state: 'failed', ...poisoned });
  parts.running.add(row.id);
  try {
    return await runClaimed(run, job);
  } finally {
    parts.running.delete(row.id);
  }
}

interface Run {
  readonly parts: RunnerParts;
  readonly row: ClaimedJob;
  readonly handler: JobHandler;
  readonly startedAt: number;
  readonly span: Span | undefined;
  readonly note: RunNote;
}

function workOf({ kind, volume }: ClaimedJob): CountedWork {
  return { queue: jobContracts[kind].queue, volume, kind };
}

function count({ parts, row, startedAt, note }: Run, result: RunResult): void {
  note.result = result;
  parts.metrics?.ran(workOf(row), { result, seconds: (performance.now() - startedAt) / 1_000 });
}

/** What log lines of a run say, all of them alike; `attempt` is the number of the run. */
function fieldsOf({ parts, row, startedAt, span }: Run): Readonly<Record<string, unknown>> {
  return {
    job_id: row.id,
    kind: row.kind,
    queue: queueNameOf(row),
    volume: row.volume,
    folder_id: row.folderId,
    actor_id: row.actorId,
    attempt: row.attempt + 1,
    worker_id: parts.workerId,
    ...traceFields(span, traceOf(row)),
    ms: Math.round(performance.now() - startedAt),
  };
}

function readJob({ row, span }: Run): RunningJob | null {
  const payload = jobContracts[row.kind].payload.safeParse(row.payload);
  if (!payload.success) return null;
  const { id, kind, volume, folderId, actorId, attempt, checkpoint } = row;
  const isLastAttempt = attempt + 1 >= row.attemptsMax;
  const trace = span?.context ?? traceOf(row);
  const about = { id, kind, volume, folderId, actorId, attempt, isLastAttempt, trace };
  return { ...about, checkpoint, payload: payload.data };
}

/** Whether a job would change a volume that became read-only since it was claimed. */
function isHeldUp({ parts, row }: Run): boolean {
  return !readingKinds.includes(row.kind) && parts.volumeStates.stateOf(row.volume) === 'read_only';
}

async function runClaimed(run: Run, job: RunningJob): Promise<Delivery> {
  const { parts, row } = run;
  const controller = new AbortController();
  const { timeoutMs }: JobContract = jobContracts[row.kind];
  const timer = setTimeout(() => controller.abort(new JobTimeoutError(timeoutMs)), timeoutMs);
  const stop = () => controller.abort(new WorkerStoppingError());
  const hold = () => {
    if (isHeldUp(run)) controller.abort(new VolumeReadOnlyError());
  };
  parts.stopping.addEventListener('abort', stop);
  const unsubscribe = parts.volumeStates.subscribe(hold);
  const onError = (err: unknown) => parts.logger.warn({ ...fieldsOf(run), err }, 'job.lease-failed');
  const timings = { ...parts.timings, ...leaseOf(row.kind, parts.timings) };
  const lease = keepLease({ ...parts, timings, claim: row, controller, onError });
  const context: JobContext = {
    job,
    claim: { id: row.id, fence: row.fence },
    signal: controller.signal,
    report: lease.report,
    fenced: (change, checkpoint) => fenced(parts.db, row, { change, checkpoint }),
    step: (name, work) => recordPart(run.span, name, work),
  };
  let outcome: JobOutcome;
  try {
    if (parts.stopping.aborted) stop();
    hold();
    outcome = await untilStopped(run.handler.run(context), controller.signal, parts.timings.stopMs);
  } catch (error) {
    await lease.release();
    return await settleFailure(run, job, controller.signal.aborted ? controller.signal.reason : error, error);
  } finally {
    clearTimeout(timer);
    parts.stopping.removeEventListener('abort', stop);
    unsubscribe();
  }
  const progress = await lease.release();
  try {
    const how = { state: 'succeeded', result: outcome.result, progress } as const;
    const { id, fence } = row;
    const { end: endTogether } = outcome;
    if (endTogether === undefined) return await end(run, job, how, (tx) => outcome.settle?.(tx));
    const isWritten = await write(run, () => endTogether({ id, fence, result: outcome.result, progress }));
    if (isWritten) await tell(run, how);
    return over;
  } catch (error) {
    return await settleFailure(run, job, error, error);
  }
}

async function fenced<T>(
  db: Database,
  row: ClaimedJob,
  work: { readonly change: (tx: Executor) => Promise<T>; readonly checkpoint: unknown },
): Promise<T> {
  return await db.transaction(async (tx) => {
    const isHeld = await holdClaim(tx, { id: row.id, fence: row.fence, checkpoint: work.checkpoint });
    if (!isHeld) throw new LeaseLostError();
    return await work.change(tx);
  });
}

/** A handler that does not stop is left behind: its fence is gone, so nothing it does counts any more. */
async function untilStopped<T>(work: Promise<T>, signal: AbortSignal, stopMs: number): Promise<T> {
  const given = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    const giveUp = () => {
      void pause(stopMs, given.signal).then(() => reject(signal.reason));
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { signal: given.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    aborted.catch(() => undefined);
    given.abort();
  }
}

/** `reason` says why the run stopped; `error` is what the handler threw then. */
async function settleFailure(run: Run, job: RunningJob, reason: unknown, error: unknown): Promise<Delivery> {
  const { parts, row } = run;
  if (reason instanceof LeaseLostError) {
    count(run, 'lost');
    parts.logger.warn(fieldsOf(run), 'job.lease-lost');
    return over;
  }
  if (reason instanceof JobCancelledError) return await end(run, job, { state: 'cancelled' });
  if (reason instanceof WorkerStoppingError) {
    count(run, 'handed_back');
    await requeue(run, { delayMs: 0 });
    return handBack;
  }
  if (reason instanceof VolumeReadOnlyError) {
    count(run, 'handed_back');
    parts.logger.info(fieldsOf(run), 'job.held-up');
    await requeue(run, { delayMs: 0 });
    // Nobody could take it now; the reconciler hands it over when the volume is active again.
    return over;
  }
  if (reason instanceof JobDeferredError) {
    return await retryLater(run, { delayMs: reason.delayMs });
  }
  const failure = readFailure(reason);
  run.note.code = failure.code;
  const fields = { ...fieldsOf(run), code: failure.code, err: error };
  parts.logger[isForOperator(failure.code) ? 'warn' : 'info'](fields, 'job.run-failed');
  if (!failure.isTransient || row.attempt + 1 >= row.attemptsMax) {
    return await end(run, job, { state: 'failed', ...failure });
  }
  return await retryLater(run, { delayMs: backoffOf(jobContracts[row.kind], row.attempt), failure });
}

/** The answer is for speed; the reconciler knows the time from the row. */
async function retryLater(
  run: Run,
  retry: { readonly delayMs: number; readonly failure?: JobFailure },
): Promise<Delivery> {
  count(run, retry.failure === undefined ? 'deferred' : 'retried');
  return (await requeue(run, retry)) ? { next: 'again', afterMs: retry.delayMs } : over;
}

async function requeue(
  run: Run,
  retry: { readonly delayMs: number; readonly failure?: JobFailure },
): Promise<boolean> {
  const { parts, row } = run;
  const { delayMs, failure } = retry;
  const error = failure === undefined ? {} : { error: failure };
  return await write(run, () => requeueJob(parts.db, { id: row.id, fence: row.fence, delayMs, ...error }));
}

/** @returns whether `change` is in effect: it takes the claim away from the run */
async function write({ parts, row, span }: Run, change: () => Promise<boolean>): Promise<boolean> {
  const patienceMs = leaseOf(row.kind, parts.timings).leaseMs;
  return await recordPart(span, 'job.end', () => writeEnd({ db: parts.db, claim: row, patienceMs }, change));
}

/** Ends the job in one transaction with what belongs to its end: the settlement, or giving back what it held. */
async function end(
  run: Run,
  job: RunningJob | null,
  how: JobEnd,
  settle: (tx: Executor) => Promise<void> | undefined = (tx) => abandonOf(run, job)?.(tx),
): Promise<Delivery> {
  const { parts, row } = run;
  const { id, fence } = row;
  const finish = (change: (tx: Executor) => Promise<void> | undefined) =>
    write(run, () =>
      fencedTransaction(parts.db, async (tx) => {
        if (!(await finishJob(tx, { id, fence, end: how }))) return false;
        await change(tx);
        return true;
      }),
    );
  let isWritten: boolean;
  try {
    isWritten = await finish(settle);
  } catch (err) {
    if (how.state === 'succeeded') throw err;
    parts.logger.error({ ...fieldsOf(run), err }, 'job.abandon-failed');
    if (row.attempt < row.attemptsMax + abandonTriesMax) {
      const failure = readFailure(err);
      return await retryLater(run, { delayMs: backoffOf(jobContracts[row.kind], row.attempt), failure });
    }
    isWritten = await finish(async () => undefined);
  }
  if (how.state === 'failed') run.note.code = how.code;
  if (isWritten) await tell(run, how);
  return over;
}

function abandonOf(run: Run, job: RunningJob | null): ((tx: Executor) => Promise<void>) | undefined {
  const { handler } = run;
  return job === null ? undefined : async (tx) => handler.abandon?.(tx, job);
}

async function tell(run: Run, how: JobEnd): Promise<void> {
  const { parts, row } = run;
  count(run, how.state);
  const fields = fieldsOf(run);
  if (how.state === 'failed') {
    const level = isForOperator(how.code) ? 'error' : 'info';
    parts.logger[level]({ ...fields, code: how.code }, 'job.failed');
  } else parts.logger.info(fields, `job.${how.state}`);
  await parts.shared.tell(row.id, how.state).catch((err: unknown) => {
    parts.logger.warn({ ...fields, err }, 'job.notify-failed');
  });
}
