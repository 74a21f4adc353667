import { recordPart, type Span, type TraceContext } from '../domain/trace.ts';
import type { Services } from './services.ts';

/**
 * Services whose jobs belong to the trace of a request, whoever runs them and whenever. Without a trace they are what they
 * were.
 */
export function traceJobs(
  services: Services,
  { span, trace }: { readonly span: Span | undefined; readonly trace: TraceContext | undefined },
): Services {
  if (trace === undefined) return services;
  const { jobs } = services;
  return {
    ...services,
    trace,
    jobs: {
      ...jobs,
      enqueue: (tx, job) => jobs.enqueue(tx, { ...job, trace }),
      wait: (jobId, options) => recordPart(span, 'job.wait', () => jobs.wait(jobId, options)),
    },
  };
}
