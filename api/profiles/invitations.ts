import type { presentInvitations } from '../invitations/schemas.ts';
import { withClientPermission } from './permission.ts';
import { reshape } from './reshape.ts';

/** Input names of an offer: the permission and whom it is made to. */
export const offerAliases = {
  permission: 'perm',
  emails: 'user_ids',
  userIDs: 'user_ids',
} as const;

/** `GET /folders/invitations/list`: under the name that clients read. */
export const clientInvitations = reshape((body: ReturnType<typeof presentInvitations>) => ({
  body: {
    invitations: body.invitations.map((invitation) => ({
      ...withClientPermission(invitation),
      modified_at: null,
    })),
  },
}));

/** Published servers answer 201 to what makes an invitation or a membership. */
export const createdReply = reshape((body: unknown) => ({ status: 201, body }));
