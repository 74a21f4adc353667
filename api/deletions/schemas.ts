import { z } from 'zod';
import { queryBoolean, stringList } from '../http/schema.ts';

/** Most paths of one request. */
export const deletePathsMax = 1_000;

/** `DELETE /folders/:name/delete_files`. */
export const deleteFilesInput = z.object({
  files: stringList({ min: 1, max: deletePathsMax }),
  recursive: queryBoolean.default(false),
});
