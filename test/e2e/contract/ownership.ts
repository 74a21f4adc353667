import { describe, expect, it } from 'vitest';
import { pathOf } from '../support/http-client.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { createFolder, createUser, share, type TestFolder, type TestUser } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type People, type Stage, useFolder, usePeople } from './stage.ts';

function describeOptions(own: FolderOfAda, people: People): void {
  const change = (json: unknown) => own.ada.call('POST', own.folder.path('update-options'), { json });
  const item = async () => at((await own.ada.call('GET', own.folder.path())).json, 'item');

  it('gives a folder the options it is made with', async () => {
    const name = `${own.folder.name}-model`;
    const options = {
      usage_mode: 'model',
      permission: 'wd',
      cloneable: true,
      group: null,
      unmanaged_path: null,
    };
    expectStatus(await own.ada.call('POST', '/folders', { json: { name, ...options } }), 201);
    const made = await own.ada.call('GET', pathOf('folders', name));
    expect(at(made.json, 'item')).toMatchObject({
      usage_mode: 'model',
      cloneable: true,
      default_permission: 'rd',
      permission: 'rd',
    });
    expect(await item()).toMatchObject({ usage_mode: 'general', cloneable: false, default_permission: 'rw' });
  });

  it('changes what is named and leaves the rest', async () => {
    const answer = await change({ cloneable: true });
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ usage_mode: 'general', cloneable: true, permission: 'rw' });
    expect((await change({ permission: 'ro' })).json).toMatchObject({ cloneable: true, permission: 'ro' });
    expect(await item()).toMatchObject({ cloneable: true, default_permission: 'ro' });
  });

  it('offers its default permission in invitations that name none', async () => {
    expectStatus(await change({ permission: 'ro' }), 200);
    const json = { user_ids: [people.bob.email] };
    expectStatus(await own.ada.call('POST', own.folder.path('invite'), { json }), 200);
    const pending = await people.bob.client.call('GET', '/folders/invitations/list');
    expect(listAt(pending.json, 'items')).toContainEqual(
      expect.objectContaining({ vfolder_id: own.folder.id, permission: 'ro' }),
    );
  });

  it('is for the owner alone', async () => {
    await share(own.folder, own.ada, { user: people.bob, permission: 'rd' });
    const answer = await people.bob.client.call('POST', own.folder.path('update-options'), {
      json: { cloneable: true },
    });
    expectProblem(answer, 404, 'not_found');
  });

  it.each([{ cloneable: 'perhaps' }, { cloneable: null }, { permission: 'own' }, { permission: 1 }])(
    'refuses the options %j',
    async (json) => {
      expectProblem(await change(json), 400, 'request_malformed');
    },
  );

  it.each([
    { usage_mode: 'fun' },
    { permission: 'x' },
    { cloneable: 2 },
    { group: 'default' },
    { unmanaged_path: '/etc' },
  ])('makes no folder with %j', async (json) => {
    const name = `${own.folder.name}-never`;
    expectProblem(
      await own.ada.call('POST', '/folders', { json: { name, ...json } }),
      400,
      'request_malformed',
    );
    expectProblem(await own.ada.call('GET', pathOf('folders', name)), 404, 'not_found');
  });
}

function describeSent(stage: Stage, own: FolderOfAda, people: People): void {
  const listSent = async (user: TestUser) =>
    listAt((await user.client.call('GET', '/folders/invitations/list-sent')).json, 'items');
  const sentPath = (id: string) => pathOf('folders', 'invitations', 'sent', id);

  async function inviteCarol(): Promise<{ carol: TestUser; id: string }> {
    const carol = await createUser(stage.service, 'carol');
    const json = { perm: 'ro', user_ids: [carol.email] };
    expectStatus(await own.ada.call('POST', own.folder.path('invite'), { json }), 200);
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    return { carol, id: textAt(listAt(pending.json, 'items')[0], 'id') };
  }

  it('shows the owner what they offered and nobody answered', async () => {
    const { carol, id } = await inviteCarol();
    const sent = (await listSent(people.ada)).filter((one) => textAt(one, 'vfolder_id') === own.folder.id);
    expect(sent).toEqual([
      expect.objectContaining({
        id,
        invitee: carol.email,
        inviter: people.ada.email,
        perm: 'ro',
        state: 'pending',
      }),
    ]);
    expect(await listSent(carol)).toEqual([]);
    expectStatus(
      await carol.client.call('DELETE', '/folders/invitations/delete', { json: { inv_id: id } }),
      200,
    );
    expect((await listSent(people.ada)).map((one) => textAt(one, 'id'))).not.toContain(id);
  });

  it('changes what a pending invitation offers', async () => {
    const { carol, id } = await inviteCarol();
    expectStatus(await own.ada.call('PATCH', sentPath(id), { json: { perm: 'wd' } }), 200);
    expectStatus(
      await carol.client.call('POST', '/folders/invitations/accept', { json: { inv_id: id } }),
      200,
    );
    const info = await carol.client.call('GET', own.folder.path());
    expect(at(info.json, 'item', 'permission')).toBe('rd');
    expectProblem(await own.ada.call('PATCH', sentPath(id), { json: { perm: 'ro' } }), 404, 'not_found');
  });

  it('takes an invitation back: it can neither be seen nor accepted', async () => {
    const { carol, id } = await inviteCarol();
    expectStatus(await own.ada.call('DELETE', sentPath(id)), 204);
    const accepted = await carol.client.call('POST', '/folders/invitations/accept', { json: { inv_id: id } });
    expectProblem(accepted, 404, 'not_found');
    expectProblem(await own.ada.call('DELETE', sentPath(id)), 404, 'not_found');
    const json = { perm: 'rw', user_ids: [carol.email] };
    const again = await own.ada.call('POST', own.folder.path('invite'), { json });
    expect(again.json).toEqual({ invited_ids: [carol.email] });
  });

  it('finds no invitation of others, and refuses what is no permission', async () => {
    const { carol, id } = await inviteCarol();
    for (const user of [carol, people.bob]) {
      expectProblem(await user.client.call('DELETE', sentPath(id)), 404, 'not_found');
      expectProblem(
        await user.client.call('PATCH', sentPath(id), { json: { perm: 'rd' } }),
        404,
        'not_found',
      );
    }
    expectProblem(await own.ada.call('DELETE', sentPath('no-id')), 404, 'not_found');
    expectProblem(await own.ada.call('PATCH', sentPath(id), { json: {} }), 400, 'request_malformed');
    expectProblem(
      await own.ada.call('PATCH', sentPath(id), { json: { perm: 'own' } }),
      400,
      'request_malformed',
    );
  });
}

function describeTransfer(stage: Stage, own: FolderOfAda, people: People): void {
  const transfer = (folder: TestFolder, user: unknown, client = own.ada) =>
    client.call('POST', folder.path('transfer'), { json: { user } });

  it('makes a member the owner, under the name they have for it, and the owner a member', async () => {
    const { ada, bob } = people;
    await share(own.folder, ada.client, { user: bob, permission: 'ro' });
    const mine = `${own.folder.name}-mine`;
    const renamed = await bob.client.call('POST', own.folder.path('rename'), { json: { new_name: mine } });
    expectStatus(renamed, 200);
    expectStatus(await transfer(own.folder, bob.email.toUpperCase()), 200);
    const info = await bob.client.call('GET', pathOf('folders', mine));
    expect(at(info.json, 'item')).toMatchObject({ is_owner: true, permission: 'rd', user: bob.id });
    const former = await ada.client.call('GET', own.folder.path());
    expect(at(former.json, 'item')).toMatchObject({ is_owner: false, permission: 'rd', user: bob.id });
    expectProblem(await ada.client.call('DELETE', own.folder.path()), 404, 'not_found');
    expectStatus(await bob.client.call('DELETE', pathOf('folders', mine, 'members', ada.email)), 204);
    expectStatus(await bob.client.call('DELETE', pathOf('folders', mine)), 204);
  });

  it('refuses whoever is no member, known or not, with one answer', async () => {
    for (const user of [people.bob.email, 'nobody@example.org', '\u0000', '']) {
      expectProblem(await transfer(own.folder, user), 400, 'request_malformed');
    }
    expectStatus(await transfer(own.folder, people.ada.id), 200);
    expect(at((await own.ada.call('GET', own.folder.path())).json, 'item', 'is_owner')).toBe(true);
  });

  it('lets an administrator give a folder to anybody, under a name that is free', async () => {
    const { administrator } = stage.service;
    const carol = await createUser(stage.service, 'carol');
    const folder = await createFolder(administrator);
    await createFolder(carol.client, folder.name);
    expectStatus(await transfer(folder, carol.id, administrator), 200);
    const found = await carol.client.call('GET', pathOf('folders', folder.id));
    expect(at(found.json, 'item')).toMatchObject({ name: `${folder.name} (2)`, is_owner: true });
    expectStatus(await administrator.call('POST', folder.path('leave')), 200);
  });

  it('lets exactly one of many concurrent transfers through', async () => {
    const heirs = await Promise.all(['carol', 'dave', 'erin'].map((name) => createUser(stage.service, name)));
    for (const user of heirs) await share(own.folder, own.ada, { user, permission: 'ro' });
    const statuses = await Promise.all(
      heirs.map(async (heir) => (await transfer(own.folder, heir.id)).status),
    );
    expect(statuses.toSorted()).toEqual([200, 404, 404]);
    const owners = await Promise.all(
      heirs.map(async ({ client }) =>
        at((await client.call('GET', own.folder.path())).json, 'item', 'is_owner'),
      ),
    );
    expect(owners.filter((isOwner) => isOwner === true)).toHaveLength(1);
  });

  it('is for the owner alone, and needs a user', async () => {
    await share(own.folder, own.ada, { user: people.bob, permission: 'rd' });
    expectProblem(await transfer(own.folder, people.bob.id, people.bob.client), 404, 'not_found');
    for (const user of [undefined, null, 5])
      expectProblem(await transfer(own.folder, user), 400, 'request_malformed');
  });
}

/** What owners decide: options of a folder, invitations they sent, and giving a folder away. */
export function describeOwnership(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('options', () => describeOptions(own, people));
  describe('sent invitations', () => describeSent(stage, own, people));
  describe('transfer', () => describeTransfer(stage, own, people));
}
