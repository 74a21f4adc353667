import { noInput } from '../folders/schemas.ts';
import { clientInvitations, createdReply, offerAliases } from '../profiles/invitations.ts';
import { defineRoute, type Route } from '../route.ts';
import { acceptInvitation, invite, listInvitations, rejectInvitation } from './operations.ts';
import { acceptInput, inviteInput, presentInvitations, rejectInput } from './schemas.ts';

const list = defineRoute({
  method: 'GET',
  path: '/folders/invitations/list',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  handle: async ({ services, principal }) => {
    return { status: 200, body: presentInvitations(await listInvitations(services, principal.userId)) };
  },
  client: clientInvitations,
});

const create = defineRoute({
  method: 'POST',
  path: '/folders/:name/invite',
  access: 'user',
  right: 'own',
  body: 'json',
  input: inviteInput,
  handle: async ({ services, principal, params, input }) => {
    const folder = { userId: principal.userId, nameOrId: params.name ?? '' };
    const offer = { permission: input.perm, invitees: input.user_ids ?? [] };
    return { status: 200, body: { invited_ids: await invite(services, { ...folder, ...offer }) } };
  },
  client: { aliases: offerAliases, ...createdReply },
});

const accept = defineRoute({
  method: 'POST',
  path: '/folders/invitations/accept',
  access: 'user',
  right: null,
  body: 'json',
  input: acceptInput,
  handle: async ({ services, principal, input }) => {
    const name = await acceptInvitation(services, {
      userId: principal.userId,
      invitationId: input.inv_id,
      name: input.name ?? undefined,
      accessKey: typeof input.inv_ak === 'string' ? input.inv_ak : undefined,
    });
    return { status: 200, body: { msg: `You can now use the folder ${JSON.stringify(name)}.` } };
  },
  client: createdReply,
});

const reject = defineRoute({
  method: 'DELETE',
  path: '/folders/invitations/delete',
  access: 'user',
  right: null,
  body: 'json',
  input: rejectInput,
  handle: async ({ services, principal, input }) => {
    await rejectInvitation(services, { userId: principal.userId, invitationId: input.inv_id });
    return { status: 200, body: { msg: 'The invitation is turned down.' } };
  },
});

/** Invite to a folder, and see, accept and turn down invitations. */
export const invitationRoutes: readonly Route[] = [list, create, accept, reject];
