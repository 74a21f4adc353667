import { z } from 'zod';
import { namedPath, queryBoolean, stringList } from '../http/schema.ts';
import { uuid } from '../http/wire.ts';

/** Most paths of one request. */
export const deletePathsMax = 1_000;

/** `DELETE /folders/:name/delete_files`. */
export const deleteFilesInput = z.object({
  files: stringList({ min: 1, max: deletePathsMax }, namedPath),
  recursive: queryBoolean.default(false),
});

/** What a delete refuses with. */
export const deleteRefusals = [
  'path_invalid',
  'entry_not_found',
  'entry_conflict',
  'directory_not_recursive',
  'path_busy',
  'volume_unavailable',
] as const;

/** Reply of `DELETE /folders/:name/delete_files`: an outcome per path, and the job that frees the room. */
export const deletedBody = z.object({
  results: z.object({
    success: z.array(z.object({ item: z.string() })),
    failed: z.array(z.object({ item: z.string(), msg: z.string() })),
  }),
  job_id: uuid,
});
