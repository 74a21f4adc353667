import type { JobProgress } from '../domain/job.ts';
import type { Usage } from '../domain/quota.ts';

/**
 * How far a purge is. It does not look at sizes, which would cost as much again as removing; the bytes are those of
 * `total` in proportion to the entries.
 */
export function purgeProgress(entries: number, total: Usage): JobProgress {
  const share = total.files === 0 ? 1 : Math.min(1, entries / total.files);
  return {
    entries,
    bytes: Math.floor(total.bytes * share),
    of: { entries: total.files, bytes: total.bytes },
  };
}
