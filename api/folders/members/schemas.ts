import { z } from 'zod';
import type { FolderMember } from '../../../db/queries/members.ts';
import { parsePermission, permissions } from '../../../domain/permission.ts';
import { instant, permission, uuid } from '../../http/wire.ts';

/** A permission as callers write it; `wd` counts as `rd`. */
export const permissionInput = z
  .string()
  .meta({ enum: [...permissions, 'wd'] })
  .transform((raw, context) => {
    const parsed = parsePermission(raw);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: 'custom', message: 'A permission is "ro", "rw" or "rd".' });
    return z.NEVER;
  });

/** Input of `PATCH /folders/:name/members/:member`. */
export const changeMemberInput = z.object({ perm: permissionInput });

/** Input of `POST /folders/:name/transfer`. */
export const transferInput = z.object({ user: z.string() });

const memberBody = z
  .object({
    user: uuid,
    email: z.string(),
    permission,
    perm: permission,
    is_owner: z.boolean(),
    created_at: instant,
  })
  .meta({ id: 'Member' });

/** Reply of `GET /folders/:name/members`. */
export const memberListBody = z.object({ items: z.array(memberBody) });

/** One item of `GET /folders/:name/members`. */
export function presentMember(member: FolderMember): z.infer<typeof memberBody> {
  return {
    user: member.userId,
    email: member.email,
    permission: member.permission,
    perm: member.permission,
    is_owner: member.isOwner,
    created_at: member.createdAt.toISOString(),
  };
}
