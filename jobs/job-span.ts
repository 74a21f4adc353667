import type { ClaimedJob } from '../db/queries/job-lease.ts';
import { parseTraceparent, type Span, type TraceContext, type Tracer } from '../domain/trace.ts';
import type { RunResult } from './job-metrics.ts';
import { queueNameOf } from './queue-store.ts';

/** How a run came out, noted on its way; nothing: somebody else has the job. */
export interface RunNote {
  result?: RunResult;
  /** Why it did not end well. */
  code?: string;
}

/** The trace that a job belongs to, by its row. */
export function traceOf(row: Pick<ClaimedJob, 'traceparent'>): TraceContext | undefined {
  return row.traceparent === null ? undefined : parseTraceparent(row.traceparent);
}

/** Begins the span of one run: a part of the request that asked for the job, named as messaging spans are. */
export function beginRunSpan(
  tracer: Tracer | undefined,
  row: ClaimedJob,
  workerId: string,
): Span | undefined {
  return tracer?.begin(`process ${row.kind}`, {
    kind: 'consumer',
    parent: traceOf(row),
    attributes: {
      'messaging.system': 'bullmq',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': queueNameOf(row),
      'messaging.message.id': row.id,
      'messaging.client.id': workerId,
      'vfolder.job.kind': row.kind,
      'vfolder.job.attempt': row.attempt + 1,
      'vfolder.job.attempts_max': row.attemptsMax,
      'vfolder.volume': row.volume,
      ...(row.folderId === null ? {} : { 'vfolder.folder_id': row.folderId }),
      ...(row.actorId === null ? {} : { 'user.id': row.actorId }),
    },
  });
}

/** Results that are errors; being cancelled or put off is not. */
const faults: ReadonlySet<RunResult> = new Set(['failed', 'retried', 'lost']);

/** Ends the span of a run with what came out. */
export function endRunSpan(span: Span | undefined, { result = 'lost', code }: RunNote): void {
  span?.end({
    attributes: { 'vfolder.job.result': result },
    error: faults.has(result) ? (code ?? result) : undefined,
  });
}
