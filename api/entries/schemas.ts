import { z } from 'zod';
import { jobRefusals } from '../http/job-reply.ts';
import { namedPath } from '../http/schema.ts';
import { copyCounts } from '../http/wire.ts';

/** Input of `POST /folders/:name/move`. */
export const moveInput = z.object({ src: namedPath, dst: z.string() });

/** Input of `POST /folders/:name/copy`. */
export const copyInput = moveInput.extend({
  /** Name or id of the folder that `src` is in; the folder itself unless given. */
  src_folder: z.string().optional(),
});

/** Input of `POST /folders/:name/rename-file`. */
export const renameFileInput = z.object({ target_path: namedPath, new_name: namedPath });

/** What `entry.move` reports. */
export const placedResult = z.object({ path: z.string() });

/** What `entries.copy` reports. */
export const copiedResult = placedResult.extend(copyCounts);

/** What moving, renaming and copying refuse with. */
export const placeRefusals = [
  'path_invalid',
  'entry_not_found',
  'entry_conflict',
  'path_busy',
  ...jobRefusals,
] as const;
