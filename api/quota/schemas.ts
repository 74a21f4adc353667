import { z } from 'zod';
import { limitsMax } from '../../domain/quota.ts';
import { pageLimit, userReference } from '../admin/schemas.ts';
import { queryInteger } from '../http/schema.ts';
import { count, hexId, instant, uuid } from '../http/wire.ts';

/** `GET /admin/folders`: `user` is an id or e-mail address; `cursor` the id of the last folder of the page before. */
export const folderListInput = z.object({
  user: userReference.optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** `PATCH /admin/folders/:id`: what is left out stays. */
export const quotaInput = z
  .object({
    quota_bytes: queryInteger({ min: 0, max: limitsMax.bytes }).optional(),
    quota_files: queryInteger({ min: 0, max: limitsMax.files }).optional(),
  })
  .refine(
    (change) => change.quota_bytes !== undefined || change.quota_files !== undefined,
    'Give quota_bytes, quota_files or both.',
  )
  .meta({ minProperties: 1 });

/** A folder as administrators see it: whose it is, its limits, and how it stands. */
export const adminFolderBody = z
  .object({
    id: hexId,
    name: z.string(),
    owner: uuid,
    owner_email: z.string(),
    host: z.string(),
    state: z.enum(['active', 'trashed']),
    quota_bytes: count,
    quota_files: count,
    used_bytes: count,
    used_files: count,
    trash_bytes: count,
    trash_files: count,
    reserved_bytes: count,
    reserved_files: count,
    directories: count,
    directories_max: count,
    created_at: instant,
  })
  .meta({ id: 'AdminFolder' });

/** Reply of `GET /admin/folders`. */
export const adminFolderPageBody = z.object({
  items: z.array(adminFolderBody),
  next_cursor: hexId.nullable(),
});
