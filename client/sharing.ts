import { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import { type Invitation, invitationModel, type Member, memberModel } from './models.ts';

/** Sharing folders: offers, memberships, and what is offered to the caller. */
export interface SharingApi {
  /** @returns ids of those who are invited now; unknown users, members and oneself are left out */
  invite(
    folder: string,
    offer: { readonly users: readonly string[]; readonly permission: string | undefined },
  ): Promise<string[]>;
  members(folder: string): Promise<Member[]>;
  removeMember(folder: string, user: string): Promise<void>;
  /** Pending ones to folders of the caller. */
  sent(): Promise<Invitation[]>;
  takeBack(id: string): Promise<void>;
  leave(folder: string): Promise<void>;
  received(): Promise<Invitation[]>;
  accept(id: string, name: string | undefined): Promise<void>;
  reject(id: string): Promise<void>;
}

const invitations = z.looseObject({ items: z.array(invitationModel) });

/** Opens the sharing of the caller's folders. */
export function openSharing(http: Http): SharingApi {
  return {
    invite: async (folder, { users, permission }) => {
      const json = { user_ids: users, perm: permission };
      const reply = z.looseObject({ invited_ids: z.array(z.string()) });
      return (await http.read('POST', `${pathOf('folders', folder)}/invite`, reply, { json })).invited_ids;
    },
    members: async (folder) => {
      const reply = z.looseObject({ items: z.array(memberModel) });
      return (await http.read('GET', `${pathOf('folders', folder)}/members`, reply)).items;
    },
    removeMember: (folder, user) =>
      http.change('DELETE', `${pathOf('folders', folder)}/members${pathOf(user)}`),
    sent: async () => (await http.read('GET', '/folders/invitations/list-sent', invitations)).items,
    takeBack: (id) => http.change('DELETE', `/folders/invitations/sent${pathOf(id)}`),
    leave: (folder) => http.change('POST', `${pathOf('folders', folder)}/leave`),
    received: async () => (await http.read('GET', '/folders/invitations/list', invitations)).items,
    accept: (id, name) => http.change('POST', '/folders/invitations/accept', { inv_id: id, name }),
    reject: (id) => http.change('DELETE', '/folders/invitations/delete', { inv_id: id }),
  };
}
