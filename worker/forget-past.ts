import { deleteRateCounts } from '../db/queries/rate-counts.ts';
import { rateSpanOf } from '../domain/rate-window.ts';
import type { WorkerServices } from './services.ts';

/** Forgets what requests left behind and nobody looks at any more. Safe to repeat, at any time and concurrently. */
export async function forgetPast({ db }: Pick<WorkerServices, 'db'>): Promise<void> {
  // The span before the current one still counts, and clocks differ.
  await deleteRateCounts(db, rateSpanOf(Date.now()) - 2);
}
