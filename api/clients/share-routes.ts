import { z } from 'zod';
import type { Share } from '../../db/queries/shares.ts';
import { toHexId } from '../../domain/ids.ts';
import { changeMember, removeMember } from '../folders/members/operations.ts';
import { permissionInput } from '../folders/members/schemas.ts';
import { stringList } from '../http/schema.ts';
import { hexId, messageBody, uuid } from '../http/wire.ts';
import { inviteesMax } from '../invitations/schemas.ts';
import { toClientPermission } from '../profiles/permission.ts';
import { defineRoute, type Route } from '../route.ts';
import { readShares, shareFolder, unshareFolder } from './share-operations.ts';

const emails = stringList({ min: 1, max: inviteesMax });

const shareBody = z.object({
  vfolder_id: hexId,
  vfolder_name: z.string(),
  status: z.literal('ready'),
  owner: uuid,
  type: z.literal('user'),
  shared_to: z.object({ uuid, email: z.string() }),
  perm: z.enum(['ro', 'rw', 'wd']),
});

function presentShare(share: Share, owner: string): z.infer<typeof shareBody> {
  return {
    vfolder_id: toHexId(share.folderId),
    vfolder_name: share.folderName,
    status: 'ready',
    owner,
    type: 'user',
    shared_to: { uuid: share.userId, email: share.email },
    perm: toClientPermission(share.permission),
  };
}

const listShared = defineRoute({
  method: 'GET',
  path: '/folders/_/shared',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({ vfolder_id: z.string().optional() }),
  answers: { 200: z.object({ shared: z.array(shareBody) }) },
  doc: { tag: 'Clients', id: 'listShares', summary: 'List members of your folders', refusals: ['not_found'] },
  handle: async ({ services, principal, input }) => {
    const shares = await readShares(services, { userId: principal.userId, nameOrId: input.vfolder_id });
    return { status: 200, body: { shared: shares.map((share) => presentShare(share, principal.userId)) } };
  },
  client: { aliases: { vfolderId: 'vfolder_id' } },
});

/** Without a permission the membership ends. */
const changeShared = defineRoute({
  method: 'POST',
  path: '/folders/_/shared',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({ vfolder: z.string(), user: z.string(), perm: permissionInput.optional() }),
  answers: { 200: messageBody },
  doc: { tag: 'Clients', id: 'changeShare', summary: 'Change or end a membership', refusals: ['not_found'] },
  handle: async ({ services, principal, input }) => {
    const { vfolder: nameOrId, user: member, perm: permission } = input;
    const membership = { userId: principal.userId, nameOrId, member };
    if (permission === undefined) await removeMember(services, membership);
    else await changeMember(services, { ...membership, permission });
    return { status: 200, body: { msg: 'The membership is changed.' } };
  },
  client: { aliases: { permission: 'perm' } },
});

const share = defineRoute({
  method: 'POST',
  path: '/folders/:name/share',
  access: 'user',
  right: 'own',
  body: 'json',
  input: z.object({ permission: permissionInput.default('rw'), emails }),
  answers: { 201: z.object({ shared_emails: z.array(z.string()), invited_ids: z.array(z.string()) }) },
  doc: {
    tag: 'Clients',
    id: 'shareFolder',
    summary: 'Give members a permission and others an invitation',
    refusals: ['invitee_missing'],
  },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: params.name ?? '', ...input };
    const { shared, invited } = await shareFolder(services, request);
    return { status: 201, body: { shared_emails: shared, invited_ids: invited } };
  },
});

const unshare = defineRoute({
  method: 'DELETE',
  path: '/folders/:name/unshare',
  access: 'user',
  right: 'own',
  body: 'json',
  input: z.object({ emails }),
  answers: { 200: z.object({ unshared_emails: z.array(z.string()) }) },
  doc: { tag: 'Clients', id: 'unshareFolder', summary: 'End memberships' },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: params.name ?? '', ...input };
    return { status: 200, body: { unshared_emails: await unshareFolder(services, request) } };
  },
});

/** Memberships as clients see and change them. */
export const shareClientRoutes: readonly Route[] = [listShared, changeShared, share, unshare];
