import { changeMemberInput } from '../folders/members/schemas.ts';
import { noInput } from '../folders/schemas.ts';
import { messageBody } from '../http/wire.ts';
import { clientInvitations, createdReply, offerAliases } from '../profiles/invitations.ts';
import { defineRoute, type Route } from '../route.ts';
import {
  acceptInvitation,
  cancelSent,
  changeSent,
  invite,
  listInvitations,
  listSent,
  rejectInvitation,
} from './operations.ts';
import {
  acceptInput,
  invitationListBody,
  invitedBody,
  inviteInput,
  presentInvitations,
  rejectInput,
} from './schemas.ts';

const list = defineRoute({
  method: 'GET',
  path: '/folders/invitations/list',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: invitationListBody },
  doc: { tag: 'Sharing', id: 'listInvitations', summary: 'List pending invitations for you' },
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
  answers: { 200: invitedBody },
  doc: { tag: 'Sharing', id: 'invite', summary: 'Invite people to a folder', refusals: ['invitee_missing'] },
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
  answers: { 200: messageBody },
  doc: {
    tag: 'Sharing',
    id: 'acceptInvitation',
    summary: 'Accept an invitation',
    refusals: ['not_found', 'name_invalid', 'folder_name_taken'],
  },
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
  answers: { 200: messageBody },
  doc: {
    tag: 'Sharing',
    id: 'rejectInvitation',
    summary: 'Turn an invitation down',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, input }) => {
    await rejectInvitation(services, { userId: principal.userId, invitationId: input.inv_id });
    return { status: 200, body: { msg: 'The invitation is turned down.' } };
  },
});

const listSentRoute = defineRoute({
  method: 'GET',
  path: '/folders/invitations/list-sent',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: invitationListBody },
  doc: { tag: 'Sharing', id: 'listSentInvitations', summary: 'List pending invitations to your folders' },
  handle: async ({ services, principal }) => {
    return { status: 200, body: presentInvitations(await listSent(services, principal.userId)) };
  },
  client: clientInvitations,
});

const change = defineRoute({
  method: 'PATCH',
  path: '/folders/invitations/sent/:id',
  access: 'user',
  right: null,
  body: 'json',
  input: changeMemberInput,
  answers: { 200: messageBody },
  doc: {
    tag: 'Sharing',
    id: 'changeInvitation',
    summary: 'Change what an invitation offers',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, params, input }) => {
    const invitation = { userId: principal.userId, invitationId: params.id ?? '' };
    await changeSent(services, { ...invitation, permission: input.perm });
    return { status: 200, body: { msg: 'The invitation is changed.' } };
  },
  client: { aliases: offerAliases },
});

const cancel = defineRoute({
  method: 'DELETE',
  path: '/folders/invitations/sent/:id',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 204: null },
  doc: {
    tag: 'Sharing',
    id: 'cancelInvitation',
    summary: 'Take an invitation back',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, params }) => {
    await cancelSent(services, { userId: principal.userId, invitationId: params.id ?? '' });
    return { status: 204 };
  },
});

/** Invite to a folder, and see, accept and turn down invitations. */
export const invitationRoutes: readonly Route[] = [
  list,
  create,
  accept,
  reject,
  listSentRoute,
  change,
  cancel,
];
