import { describe, expect, it } from 'vitest';
import type { Client } from '../support/http-client.ts';
import { at, listAt, textAt, textsAt } from '../support/json.ts';
import {
  createFolder,
  createKeypair,
  createUser,
  type TestFolder,
  type TestUser,
  upload,
} from '../support/users.ts';
import { expectProblem, expectStatus, isoTime, uuid } from './rules.ts';
import { type FolderOfAda, type People, type Stage, sharedFolder, useFolder, usePeople } from './stage.ts';

const invite = (owner: Client, folder: TestFolder, json: unknown) =>
  owner.call('POST', folder.path('invite'), { json });

/** Invites `user` and answers the invitation's id. */
async function invitationOf(owner: Client, folder: TestFolder, user: TestUser, perm = 'ro'): Promise<string> {
  expectStatus(await invite(owner, folder, { perm, user_ids: [user.id] }), 200);
  const pending = await user.client.call('GET', '/folders/invitations/list');
  const offer = listAt(pending.json, 'items').find((item) => textAt(item, 'vfolder_id') === folder.id);
  return textAt(offer, 'id');
}

const accept = (user: TestUser, json: unknown) =>
  user.client.call('POST', '/folders/invitations/accept', { json });
const reject = (user: TestUser, json: unknown) =>
  user.client.call('DELETE', '/folders/invitations/delete', { json });

function describeInviting(stage: Stage, people: People, own: FolderOfAda): void {
  it('invites by address and by id, and shows the invitation to its invitee only', async () => {
    const carol = await createUser(stage.service, 'carol');
    const dave = await createUser(stage.service, 'dave');
    await upload(own.ada, own.folder, { a: '1', 'b/c': '2' });
    const ids = [carol.email.toUpperCase(), dave.id.replaceAll('-', '')];
    const answer = await invite(own.ada, own.folder, { perm: 'rw', user_ids: ids });
    expectStatus(answer, 200);
    expect(listAt(answer.json, 'invited_ids').toSorted()).toEqual(ids.toSorted());
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    expectStatus(pending, 200);
    expect(listAt(pending.json, 'items')).toEqual([
      expect.objectContaining({
        id: uuid,
        inviter: people.ada.email,
        permission: 'rw',
        state: 'pending',
        created_at: isoTime,
        vfolder_id: own.folder.id,
        vfolder_name: own.folder.name,
        numFiles: 2,
      }),
    ]);
    expect(at(pending.json, 'invitations')).toEqual(at(pending.json, 'items'));
    const others = await people.bob.client.call('GET', '/folders/invitations/list');
    expect(listAt(others.json, 'items')).toEqual([]);
  });

  it('takes one invitee as text, and parameters from the query', async () => {
    const carol = await createUser(stage.service, 'carol');
    const dave = await createUser(stage.service, 'dave');
    const one = await invite(own.ada, own.folder, { perm: 'ro', user_ids: carol.email });
    expect(one.json).toEqual({ invited_ids: [carol.email] });
    const other = await own.ada.call('POST', own.folder.path('invite'), {
      query: { perm: 'ro', user_ids: [dave.email] },
    });
    expect(other.json).toEqual({ invited_ids: [dave.email] });
  });

  it('leaves out the unknown, oneself, members and those invited already, changing nothing for them', async () => {
    const folder = await sharedFolder(people, 'ro');
    const carol = await createUser(stage.service, 'carol');
    const id = await invitationOf(own.ada, folder, carol, 'ro');
    const user_ids = [
      'nobody@example.org',
      'x',
      '',
      'a\u0000b',
      people.ada.email,
      people.bob.email,
      carol.email,
    ];
    const answer = await invite(own.ada, folder, { perm: 'rd', user_ids });
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ invited_ids: [] });
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    expect(listAt(pending.json, 'items')).toEqual([expect.objectContaining({ id, permission: 'ro' })]);
    const info = await people.bob.client.call('GET', folder.path());
    expect(at(info.json, 'item', 'permission')).toBe('ro');
  });

  it('makes one invitation of many concurrent ones', async () => {
    const carol = await createUser(stage.service, 'carol');
    const calls = Array.from({ length: 8 }, () =>
      invite(own.ada, own.folder, { perm: 'ro', user_ids: [carol.email] }),
    );
    const answers = await Promise.all(calls);
    expect(answers.flatMap((answer) => listAt(answer.json, 'invited_ids'))).toEqual([carol.email]);
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    expect(listAt(pending.json, 'items')).toHaveLength(1);
  });

  it('takes wd for rd', async () => {
    const carol = await createUser(stage.service, 'carol');
    expectStatus(await accept(carol, { inv_id: await invitationOf(own.ada, own.folder, carol, 'wd') }), 200);
    const info = await carol.client.call('GET', own.folder.path());
    expect(at(info.json, 'item', 'permission')).toBe('rd');
  });

  it('refuses an invitation of nobody', async () => {
    for (const json of [{ perm: 'ro' }, { perm: 'ro', user_ids: [] }, { perm: 'ro', user_ids: null }]) {
      expectProblem(await invite(own.ada, own.folder, json), 400, 'invitee_missing');
    }
  });

  it.each([
    { perm: null, user_ids: ['a@b.org'] },
    { perm: 'own', user_ids: ['a@b.org'] },
    { perm: '', user_ids: ['a@b.org'] },
    { perm: 'RO', user_ids: ['a@b.org'] },
    { perm: 7, user_ids: ['a@b.org'] },
    { perm: ['ro'], user_ids: ['a@b.org'] },
    { perm: 'ro', user_ids: 5 },
    { perm: 'ro', user_ids: [5] },
    { perm: 'ro', user_ids: {} },
    { perm: 'ro', user_ids: Array.from({ length: 101 }, (_, number) => `${number}@b.org`) },
  ])('refuses the parameters %#', async (json) => {
    expectProblem(await invite(own.ada, own.folder, json), 400, 'request_malformed');
  });
}

function describeAnswering(stage: Stage, people: People, own: FolderOfAda): void {
  it('accepts under the name of the owner, once', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    const answer = await accept(carol, { inv_id, inv_ak: carol.keypair.accessKey });
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ msg: expect.stringContaining(own.folder.name) });
    expectStatus(await carol.client.call('GET', own.folder.path()), 200);
    expectProblem(await accept(carol, { inv_id }), 404, 'not_found');
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    expect(listAt(pending.json, 'items')).toEqual([]);
  });

  it('takes the documented boolean for inv_ak, and finds nothing for a key of somebody else', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    expectProblem(await accept(carol, { inv_id, inv_ak: people.bob.keypair.accessKey }), 404, 'not_found');
    expectStatus(await accept(carol, { inv_id, inv_ak: true }), 200);
  });

  it('refuses a name that is taken and accepts under an alias, which is the invitee’s alone', async () => {
    const carol = await createUser(stage.service, 'carol');
    await createFolder(carol.client, own.folder.name);
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    expectProblem(await accept(carol, { inv_id }), 400, 'folder_name_taken');
    expectProblem(await accept(carol, { inv_id, name: own.folder.name }), 400, 'folder_name_taken');
    expectProblem(await accept(carol, { inv_id, name: 'a/b' }), 400, 'name_invalid');
    expectProblem(await accept(carol, { inv_id, name: 'create' }), 400, 'name_invalid');
    expectStatus(await accept(carol, { inv_id, name: 'Alias ü' }), 200);
    const info = await carol.client.call('GET', '/folders/Alias%20%C3%BC');
    expect(at(info.json, 'item')).toMatchObject({ name: 'Alias ü', id: own.folder.id });
    expect(textAt((await own.ada.call('GET', own.folder.path())).json, 'item', 'name')).toBe(own.folder.name);
  });

  it('lets exactly one of many concurrent answers through', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    const calls = Array.from({ length: 10 }, (_, number) =>
      number % 2 === 0 ? accept(carol, { inv_id, name: `n${number}` }) : reject(carol, { inv_id }),
    );
    const answers = await Promise.all(calls);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(9);
  });

  it('turns an invitation down, once, after which a new one may come', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    const answer = await reject(carol, { inv_id });
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ msg: expect.stringMatching(/\S/) });
    expectProblem(await reject(carol, { inv_id }), 404, 'not_found');
    expectProblem(await accept(carol, { inv_id }), 404, 'not_found');
    expectProblem(await carol.client.call('GET', own.folder.path()), 404, 'not_found');
    expect(await invitationOf(own.ada, own.folder, carol)).not.toBe(inv_id);
  });

  it('takes the invitation from the query of a DELETE', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    expectStatus(
      await carol.client.call('DELETE', '/folders/invitations/delete', { query: { inv_id } }),
      200,
    );
  });

  it('hides invitations from everybody else, the inviter included', async () => {
    const carol = await createUser(stage.service, 'carol');
    const inv_id = await invitationOf(own.ada, own.folder, carol);
    for (const user of [people.ada, people.bob]) {
      expectProblem(await accept(user, { inv_id }), 404, 'not_found');
      expectProblem(await reject(user, { inv_id }), 404, 'not_found');
    }
  });

  it.each([{}, { inv_id: null }, { inv_id: 1 }, { inv_id: ['x'] }, { inv_id: {} }])(
    'refuses %j',
    async (json) => {
      expectProblem(await accept(people.bob, json), 400, 'request_malformed');
      expectProblem(await reject(people.bob, json), 400, 'request_malformed');
    },
  );

  it.each(['', 'x', '00000000-0000-7000-8000-000000000000', 'a\u0000', "' OR 1=1 --"])(
    'does not find %j',
    async (inv_id) => {
      expectProblem(await accept(people.bob, { inv_id }), 404, 'not_found');
      expectProblem(await reject(people.bob, { inv_id }), 404, 'not_found');
    },
  );
}

function describeMembers(stage: Stage, people: People): void {
  it('lists members to the owner, who comes first', async () => {
    const folder = await sharedFolder(people, 'rw');
    const answer = await people.ada.client.call('GET', folder.path('members'));
    expectStatus(answer, 200);
    expect(at(answer.json, 'items')).toEqual([
      {
        user: people.ada.id,
        email: people.ada.email,
        permission: 'rd',
        perm: 'rd',
        is_owner: true,
        created_at: isoTime,
      },
      {
        user: people.bob.id,
        email: people.bob.email,
        permission: 'rw',
        perm: 'rw',
        is_owner: false,
        created_at: isoTime,
      },
    ]);
  });

  it('changes a member at once, by id or address', async () => {
    const { ada, bob } = people;
    const folder = await sharedFolder(people, 'ro');
    const mkdir = () => bob.client.call('POST', folder.path('mkdir'), { json: { path: 'd' } });
    expectProblem(await mkdir(), 404, 'not_found');
    expectStatus(
      await ada.client.call('PATCH', folder.path('members', bob.id), { json: { perm: 'rw' } }),
      200,
    );
    expectStatus(await mkdir(), 201);
    expectStatus(
      await ada.client.call('PATCH', folder.path('members', bob.email), { json: { perm: 'ro' } }),
      200,
    );
    expectProblem(await mkdir(), 404, 'not_found');
  });

  it('removes a member at once, who may be invited again', async () => {
    const { ada, bob } = people;
    const folder = await sharedFolder(people, 'rd');
    expectStatus(await ada.client.call('DELETE', folder.path('members', bob.email)), 204);
    expectProblem(await bob.client.call('GET', folder.path()), 404, 'not_found');
    expectProblem(await ada.client.call('DELETE', folder.path('members', bob.email)), 404, 'not_found');
    expectStatus(await accept(bob, { inv_id: await invitationOf(ada.client, folder, bob) }), 200);
  });

  it('lets a member leave and keeps the folder for the others', async () => {
    const { ada, bob } = people;
    const folder = await sharedFolder(people, 'ro');
    expectStatus(await bob.client.call('POST', folder.path('leave')), 200);
    expectProblem(await bob.client.call('POST', folder.path('leave')), 404, 'not_found');
    expectStatus(await ada.client.call('GET', folder.path()), 200);
    const owner = await ada.client.call('POST', folder.path('leave'));
    expectProblem(owner, 400, 'request_malformed');
  });

  it('refuses bad permissions, and finds no member who is none; the owner stays', async () => {
    const { ada, bob } = people;
    const folder = await sharedFolder(people, 'ro');
    for (const json of [{}, { perm: 'none' }, { perm: 1 }, { perm: null }]) {
      expectProblem(
        await ada.client.call('PATCH', folder.path('members', bob.id), { json }),
        400,
        'request_malformed',
      );
    }
    const stranger = await createUser(stage.service);
    for (const member of [ada.id, ada.email, stranger.id, 'x', '%', 'a b']) {
      const path = folder.path('members', member);
      expectProblem(await ada.client.call('PATCH', path, { json: { perm: 'ro' } }), 404, 'not_found');
      expectProblem(await ada.client.call('DELETE', path), 404, 'not_found');
    }
    const listed = await ada.client.call('GET', folder.path('members'));
    expect(textsAt(listed.json, 'permission', 'items')).toEqual(['rd', 'ro']);
  });

  it('gives every keypair of a user the same folders', async () => {
    const folder = await createFolder(people.ada.client);
    const second = stage.service.client(await createKeypair(stage.service, people.ada.id));
    expectStatus(await second.call('GET', folder.path()), 200);
  });
}

/** Invite, answer invitations, and members. */
export function describeSharing(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('inviting', () => describeInviting(stage, people, own));
  describe('answering', () => describeAnswering(stage, people, own));
  describe('members', () => describeMembers(stage, people));
}
