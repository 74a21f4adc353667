import { z } from 'zod';
import { deleteOutcomes } from '../../domain/delete-outcome.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { DeletedEntry } from './operations.ts';

/** What `trash.purge` reports when it had to finish the request. */
const finishedResult = z.object({
  entries: z.array(z.object({ path: z.string(), outcome: z.enum(deleteOutcomes) })),
});

/** The outcomes of a delete that was handed over; `known` when the request had come to its end after all. */
export function finishedEntries(job: JobView, known: readonly DeletedEntry[]): readonly DeletedEntry[] {
  const finished = finishedResult.safeParse(job.result);
  return finished.success ? finished.data.entries : known;
}
