import type { z } from 'zod';
import { type DomainError, domainError, type ErrorCode } from '../../domain/errors.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { commitResult } from './schemas.ts';

/** Every file that is not in place, or not for certain, is named; the others are. */
function incomplete(job: JobView, { files, failed }: z.infer<typeof commitResult>): DomainError {
  const code = failed[0]?.code ?? 'job_failed';
  const total = files.length + failed.length;
  return domainError(code, `Of ${total} files ${failed.length} could not be put in place.`, {
    errors: failed.map((lost) => ({ pointer: lost.path, detail: reasonOf(lost.code) })),
    extra: { job_id: job.id, committed: files.length },
  });
}

function reasonOf(code: ErrorCode): string {
  if (code === 'entry_conflict') return 'Something else has that path and cannot be replaced.';
  if (code === 'volume_full') return 'The storage volume has no room left.';
  return 'The storage volume failed; the file is not stored, or not durably.';
}

/**
 * The files that a finished `upload.commit` made visible.
 * @throws entry_conflict, volume_full and the like when any of them is not in place
 */
export function committedFiles(job: JobView): z.infer<typeof commitResult>['files'] {
  const result = commitResult.parse(job.result);
  if (result.failed.length > 0) throw incomplete(job, result);
  return result.files;
}
