import { z } from 'zod';
import type { TrashedFolder } from '../../db/queries/folder-trash.ts';
import { toHexId } from '../../domain/ids.ts';

/** Input of `POST /trash/:id/restore`. */
export const restoreInput = z.object({ name: z.string().nullish() });

/** One item of `GET /trash`. */
export function presentTrashed(folder: TrashedFolder) {
  return {
    id: toHexId(folder.id),
    name: folder.name,
    host: folder.volume,
    numFiles: folder.usedFiles,
    used_bytes: folder.usedBytes,
    deleted_at: folder.deletedAt.toISOString(),
    expires_at: folder.purgeAt.toISOString(),
  };
}
