import { z } from 'zod';
import type { TrashedFolder } from '../../db/queries/folder-trash.ts';
import { toHexId } from '../../domain/ids.ts';
import { count, hexId, instant } from '../http/wire.ts';

/** Input of `POST /trash/:id/restore`. */
export const restoreInput = z.object({ name: z.string().nullish() });

const trashedFolder = z
  .object({
    id: hexId,
    name: z.string(),
    host: z.string(),
    numFiles: count,
    used_bytes: count,
    deleted_at: instant,
    expires_at: instant,
  })
  .meta({ id: 'TrashedFolder' });

/** Reply of `GET /trash`. */
export const trashBody = z.object({ items: z.array(trashedFolder) });

/** One item of `GET /trash`. */
export function presentTrashed(folder: TrashedFolder): z.infer<typeof trashedFolder> {
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
