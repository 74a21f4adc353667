import { z } from 'zod';
import { errorCodes } from '../../domain/errors.ts';
import { jobRefusals } from '../http/job-reply.ts';
import { count } from '../http/wire.ts';

const storedFile = z.object({ path: z.string(), size: count, sha256: z.string() });

/** What `upload.commit` reports. */
export const commitResult = z.object({
  files: z.array(storedFile),
  failed: z.array(z.object({ path: z.string(), code: z.enum(errorCodes) })),
});

/** Reply of `POST /folders/:name/upload`: the files that are in place. */
export const uploadedBody = z.object({ files: z.array(storedFile) });

/** What receiving content refuses with. */
export const uploadRefusals = [
  'request_timeout',
  'upload_aborted',
  'path_invalid',
  'path_busy',
  'entry_conflict',
  'entry_not_found',
  'quota_exceeded',
  ...jobRefusals,
] as const;
