import { messageBody } from '../../http/wire.ts';
import { defineRoute, type Route } from '../../route.ts';
import { noInput } from '../schemas.ts';
import { changeMember, leaveFolder, listMembers, removeMember } from './operations.ts';
import { changeMemberInput, memberListBody, presentMember, transferInput } from './schemas.ts';
import { transferFolder } from './transfer.ts';

const list = defineRoute({
  method: 'GET',
  path: '/folders/:name/members',
  access: 'user',
  right: 'own',
  body: 'json',
  input: noInput,
  answers: { 200: memberListBody },
  doc: { tag: 'Sharing', id: 'listMembers', summary: 'List the members of a folder' },
  handle: async ({ services, principal, params }) => {
    const members = await listMembers(services, { userId: principal.userId, nameOrId: params.name ?? '' });
    return { status: 200, body: { items: members.map(presentMember) } };
  },
});

const change = defineRoute({
  method: 'PATCH',
  path: '/folders/:name/members/:member',
  access: 'user',
  right: 'own',
  body: 'json',
  input: changeMemberInput,
  answers: { 200: messageBody },
  doc: { tag: 'Sharing', id: 'changeMember', summary: 'Change what a member may do' },
  handle: async ({ services, principal, params, input }) => {
    const member = { userId: principal.userId, nameOrId: params.name ?? '', member: params.member ?? '' };
    await changeMember(services, { ...member, permission: input.perm });
    return { status: 200, body: { msg: 'The permission is changed.' } };
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/folders/:name/members/:member',
  access: 'user',
  right: 'own',
  body: 'json',
  input: noInput,
  answers: { 204: null },
  doc: { tag: 'Sharing', id: 'removeMember', summary: 'End a membership' },
  handle: async ({ services, principal, params }) => {
    const member = { userId: principal.userId, nameOrId: params.name ?? '', member: params.member ?? '' };
    await removeMember(services, member);
    return { status: 204 };
  },
});

const leave = defineRoute({
  method: 'POST',
  path: '/folders/:name/leave',
  access: 'user',
  right: 'read',
  body: 'json',
  input: noInput,
  answers: { 200: messageBody },
  doc: { tag: 'Sharing', id: 'leaveFolder', summary: 'Leave a folder' },
  handle: async ({ services, principal, params }) => {
    await leaveFolder(services, { userId: principal.userId, nameOrId: params.name ?? '' });
    return { status: 200, body: { msg: 'You have left the folder.' } };
  },
});

const transfer = defineRoute({
  method: 'POST',
  path: '/folders/:name/transfer',
  access: 'user',
  right: 'own',
  body: 'json',
  input: transferInput,
  answers: { 200: messageBody },
  doc: {
    tag: 'Sharing',
    id: 'transferFolder',
    summary: 'Give a folder to somebody else',
    refusals: ['folder_limit_reached', 'folder_name_taken'],
  },
  handle: async ({ services, principal, params, input }) => {
    const folder = { userId: principal.userId, nameOrId: params.name ?? '' };
    await transferFolder(services, { ...folder, to: input.user, isForced: principal.role === 'admin' });
    return { status: 200, body: { msg: 'The folder has a new owner.' } };
  },
});

/** See, change and end memberships, and give a folder away. */
export const memberRoutes: readonly Route[] = [list, change, remove, leave, transfer];
