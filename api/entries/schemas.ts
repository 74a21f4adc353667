import { z } from 'zod';

/** Input of `POST /folders/:name/move` and `POST /folders/:name/copy`. */
export const moveInput = z.object({ src: z.string(), dst: z.string() });

/** Input of `POST /folders/:name/rename-file`. */
export const renameFileInput = z.object({ target_path: z.string(), new_name: z.string() });
