import { z } from 'zod';
import type { FolderMember } from '../../../db/queries/members.ts';
import { parsePermission } from '../../../domain/permission.ts';

/** A permission as callers write it; `wd` counts as `rd`. */
export const permissionInput = z.string().transform((raw, context) => {
  const permission = parsePermission(raw);
  if (permission !== undefined) return permission;
  context.addIssue({ code: 'custom', message: 'A permission is "ro", "rw" or "rd".' });
  return z.NEVER;
});

/** Input of `PATCH /folders/:name/members/:member`. */
export const changeMemberInput = z.object({ perm: permissionInput });

/** Input of `POST /folders/:name/transfer`. */
export const transferInput = z.object({ user: z.string() });

/** One item of `GET /folders/:name/members`. */
export function presentMember(member: FolderMember) {
  return {
    user: member.userId,
    email: member.email,
    permission: member.permission,
    perm: member.permission,
    is_owner: member.isOwner,
    created_at: member.createdAt.toISOString(),
  };
}
