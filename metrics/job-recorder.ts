import { Counter, Histogram, type Registry } from 'prom-client';
import type { CountedWork, JobMetrics } from '../jobs/job-metrics.ts';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200];

/** Makes the recorder of jobs. */
export function makeJobRecorder(registry: Registry): JobMetrics {
  const registers = [registry];
  const durations = new Histogram({
    name: 'vfolder_job_duration_seconds',
    help: 'Time of one run of a job, by how it ended.',
    labelNames: ['queue', 'name', 'result'],
    buckets: secondsBuckets,
    registers,
  });
  const waits = new Histogram({
    name: 'vfolder_job_wait_seconds',
    help: 'Time from the making of a job to the start of its first run.',
    labelNames: ['queue', 'name'],
    buckets: secondsBuckets,
    registers,
  });
  const ended = (name: string, help: string) => new Counter({ name, help, labelNames: ['queue'], registers });
  const completed = ended('bullmq_job_completed_total', 'Jobs that ended well.');
  const failed = ended('bullmq_job_failed_total', 'Jobs that ended in a failure, after their last attempt.');
  const labelsOf = ({ queue, volume, kind }: CountedWork) => ({ queue: `${queue}.${volume}`, name: kind });
  return {
    waited: (work, seconds) => waits.observe(labelsOf(work), seconds),
    ran: (work, { result, seconds }) => {
      const { queue, name } = labelsOf(work);
      durations.observe({ queue, name, result }, seconds);
      if (result === 'succeeded') completed.inc({ queue });
      if (result === 'failed') failed.inc({ queue });
    },
  };
}
