import { z } from 'zod';
import type { PendingInvitation } from '../../db/queries/invitations.ts';
import { toHexId } from '../../domain/ids.ts';
import { permissionInput } from '../folders/members/schemas.ts';
import { stringList } from '../http/schema.ts';
import { count, hexId, instant, permission, uuid } from '../http/wire.ts';

/** Most users invited by one request. */
export const inviteesMax = 100;

/** Input of `POST /folders/:name/invite`; nobody to invite is refused by the operation, under its own code. */
export const inviteInput = z.object({
  perm: permissionInput.optional(),
  user_ids: stringList({ min: 0, max: inviteesMax }).nullish(),
});

/** Input of `POST /folders/invitations/accept`. The document calls `inv_ak` a boolean, clients send an access key. */
export const acceptInput = z.object({
  inv_id: z.string(),
  inv_ak: z.union([z.string(), z.boolean()]).nullish(),
  name: z.string().nullish(),
});

/** Input of `DELETE /folders/invitations/delete`. */
export const rejectInput = z.object({ inv_id: z.string() });

/** Reply of `POST /folders/:name/invite`: who has an invitation now. */
export const invitedBody = z.object({ invited_ids: z.array(z.string()) });

const invitationBody = z
  .object({
    id: uuid,
    inviter: z.string(),
    inviter_id: uuid,
    inviter_email: z.string(),
    invitee: z.string(),
    permission,
    perm: permission,
    state: z.literal('pending'),
    created_at: instant,
    vfolder_id: hexId,
    vfolder_name: z.string(),
    numFiles: count,
  })
  .meta({ id: 'Invitation' });

/** Reply of `GET /folders/invitations/list` and `list-sent`. */
export const invitationListBody = z.object({
  items: z.array(invitationBody),
  invitations: z.array(invitationBody),
});

function presentInvitation(invitation: PendingInvitation): z.infer<typeof invitationBody> {
  return {
    id: invitation.id,
    inviter: invitation.inviterEmail,
    inviter_id: invitation.inviterId,
    inviter_email: invitation.inviterEmail,
    invitee: invitation.inviteeEmail,
    permission: invitation.permission,
    perm: invitation.permission,
    state: 'pending',
    created_at: invitation.createdAt.toISOString(),
    vfolder_id: toHexId(invitation.folderId),
    vfolder_name: invitation.folderName,
    numFiles: invitation.usedFiles,
  };
}

/** Reply of `GET /folders/invitations/list`; the document has one list under two names. */
export function presentInvitations(pending: readonly PendingInvitation[]) {
  const items = pending.map(presentInvitation);
  return { items, invitations: items };
}
