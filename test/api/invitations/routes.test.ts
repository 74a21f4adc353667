import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folders } from '../../../db/schema/folders.ts';
import { invitations } from '../../../db/schema/invitations.ts';
import { users } from '../../../db/schema/users.ts';
import { parseId } from '../../../domain/ids.ts';
import { insertTestMember } from '../../support/factories.ts';
import { type Caller, itemsOf, startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
let owner: Caller;
beforeAll(async () => {
  service = await startTestService();
  owner = await service.signUp();
});
afterAll(() => service.close());

let counter = 0;
async function makeFolder(name = `shared ${++counter}`) {
  const answer = await owner.call('POST', '/folders', { body: { name } });
  expect(answer.status).toBe(201);
  const hex = String(Object(answer.json).id);
  return { name, hex, id: parseId(hex) ?? '', path: `/folders/${encodeURIComponent(name)}` };
}

function invite(path: string, userIds: unknown, perm: unknown = 'rw') {
  return owner.call('POST', `${path}/invite`, { body: { perm, user_ids: userIds } });
}

async function pendingOf(caller: Caller) {
  return itemsOf(await caller.call('GET', '/folders/invitations/list'));
}

/** A fresh user with one pending invitation. */
async function inviteSomebody(perm = 'rw', name?: string) {
  const [folder, invitee] = [await makeFolder(name), await service.signUp()];
  expect((await invite(folder.path, [invitee.email], perm)).status).toBe(200);
  const [invitation] = await pendingOf(invitee);
  return { folder, invitee, id: String(invitation?.id) };
}

const accept = (caller: Caller, body: object) => caller.call('POST', '/folders/invitations/accept', { body });
const reject = (caller: Caller, body: object) =>
  caller.call('DELETE', '/folders/invitations/delete', { body });

describe('POST /folders/:name/invite', () => {
  it('invites by e-mail in any case and by id in both spellings, and echoes what it was given', async () => {
    const { path } = await makeFolder();
    const [a, b, c] = [await service.signUp(), await service.signUp(), await service.signUp()];
    const given = [a.email.toUpperCase(), b.userId, c.userId.replaceAll('-', '')];
    const answer = await invite(path, given);
    expect(answer.status).toBe(200);
    expect(Object(answer.json).invited_ids.toSorted()).toEqual(given.toSorted());
    for (const caller of [a, b, c]) expect(await pendingOf(caller)).toHaveLength(1);
  });

  it('leaves out the unknown, the inactive, members and the owner', async () => {
    const folder = await makeFolder();
    const [member, inactive, fresh] = [
      await service.signUp(),
      await service.signUp(),
      await service.signUp(),
    ];
    await service.services.db.update(users).set({ isActive: false }).where(eq(users.id, inactive.userId));
    const membership = { folderId: folder.id, userId: member.userId, name: 'm', permission: 'ro' } as const;
    await insertTestMember(service.services.db, membership);
    const others = [
      owner.email,
      owner.userId,
      member.email,
      inactive.email,
      'nobody@example.org',
      uuidv7(),
      '',
      'a\0',
    ];
    expect(await invite(folder.path, [...others, fresh.email])).toMatchObject({
      status: 200,
      json: { invited_ids: [fresh.email] },
    });
    expect(await invite(folder.path, others)).toMatchObject({ status: 200, json: { invited_ids: [] } });
  });

  it('changes nothing for a pending invitee, not even the permission', async () => {
    const { folder, invitee } = await inviteSomebody('ro');
    const before = await pendingOf(invitee);
    expect(await invite(folder.path, [invitee.email], 'rd')).toMatchObject({
      status: 200,
      json: { invited_ids: [] },
    });
    expect(await pendingOf(invitee)).toEqual(before);
  });

  it('invites a user named twice once', async () => {
    const { path } = await makeFolder();
    const invitee = await service.signUp();
    const answer = await invite(path, [invitee.email, invitee.userId, invitee.email]);
    expect(answer.json).toEqual({ invited_ids: [invitee.email] });
    expect(await pendingOf(invitee)).toHaveLength(1);
  });

  it('makes one invitation out of many concurrent ones', async () => {
    const { path } = await makeFolder();
    const invitee = await service.signUp();
    const answers = await Promise.all(Array.from({ length: 20 }, () => invite(path, [invitee.email])));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers.flatMap(({ json }) => Object(json).invited_ids)).toEqual([invitee.email]);
    expect(await pendingOf(invitee)).toHaveLength(1);
  });

  it.each([undefined, null, []])('answers 400 invitee_missing for user_ids %j', async (userIds) => {
    const { path } = await makeFolder();
    expect(await invite(path, userIds)).toMatchObject({ status: 400, json: { code: 'invitee_missing' } });
  });

  it.each(['own', '', 'RO', 7, null])('answers 400 for the permission %j', async (perm) => {
    const { path } = await makeFolder();
    expect(await invite(path, ['x@example.org'], perm)).toMatchObject({
      status: 400,
      json: { code: 'request_malformed' },
    });
  });

  it('takes at most 100 users at once', async () => {
    const { path } = await makeFolder();
    const many = Array.from({ length: 101 }, (_, index) => `${index}@example.org`);
    expect((await invite(path, many)).status).toBe(400);
    expect((await invite(path, many.slice(1))).status).toBe(200);
  });

  it.each([
    ['ro', 'ro'],
    ['rw', 'rw'],
    ['rd', 'rd'],
    ['wd', 'rd'],
  ])('offers %s as %s', async (given, offered) => {
    const { invitee } = await inviteSomebody(given);
    expect(await pendingOf(invitee)).toMatchObject([{ perm: offered, permission: offered }]);
  });
});

describe('GET /folders/invitations/list', () => {
  it('shows a pending invitation with every key that published clients read, under both names of the list', async () => {
    const { folder, invitee, id } = await inviteSomebody('rd');
    await service.services.db.update(folders).set({ usedFiles: 12 }).where(eq(folders.id, folder.id));
    const answer = await invitee.call('GET', '/folders/invitations/list');
    const item = {
      id,
      inviter: owner.email,
      inviter_id: owner.userId,
      inviter_email: owner.email,
      invitee: invitee.email,
      permission: 'rd',
      perm: 'rd',
      state: 'pending',
      created_at: expect.any(String),
      vfolder_id: folder.hex,
      vfolder_name: folder.name,
      numFiles: 12,
    };
    expect(answer).toMatchObject({ status: 200, json: { items: [item], invitations: [item] } });
    expect(itemsOf(answer)[0]).toEqual(item);
  });

  it('is empty for those who were not invited', async () => {
    await inviteSomebody();
    expect((await owner.call('GET', '/folders/invitations/list')).json).toEqual({
      items: [],
      invitations: [],
    });
  });
});

describe('POST /folders/invitations/accept', () => {
  it('makes the invitee a member with the offered permission', async () => {
    const { folder, invitee, id } = await inviteSomebody('ro');
    expect((await invitee.call('GET', folder.path)).status).toBe(404);
    const body = { inv_id: id, inv_ak: invitee.accessKey };
    expect(await accept(invitee, body)).toMatchObject({ status: 200, json: { msg: expect.any(String) } });
    expect(await invitee.call('GET', folder.path)).toMatchObject({
      json: { item: { id: folder.hex, is_owner: false, permission: 'ro' } },
    });
    expect((await invitee.call('POST', `${folder.path}/mkdir`, { body: { path: 'a' } })).status).toBe(404);
    expect(await pendingOf(invitee)).toEqual([]);
  });

  it('answers 400 for a taken name, keeps the invitation, and takes another name', async () => {
    const { folder, invitee, id } = await inviteSomebody();
    await invitee.call('POST', '/folders', { body: { name: folder.name } });
    expect(await accept(invitee, { inv_id: id })).toMatchObject({
      status: 400,
      json: { code: 'folder_name_taken' },
    });
    expect(await pendingOf(invitee)).toHaveLength(1);
    expect(await accept(invitee, { inv_id: id, name: 'a/b' })).toMatchObject({
      status: 400,
      json: { code: 'name_invalid' },
    });
    expect((await accept(invitee, { inv_id: id, name: '다른 이름' })).status).toBe(200);
    expect(await invitee.call('GET', `/folders/${encodeURIComponent('다른 이름')}`)).toMatchObject({
      json: { item: { id: folder.hex } },
    });
  });

  it('answers the same 404 for unknown, malformed, foreign and answered invitations', async () => {
    const { invitee, id } = await inviteSomebody();
    const stranger = await service.signUp();
    const answers = [
      await accept(stranger, { inv_id: uuidv7() }),
      await accept(stranger, { inv_id: 'x' }),
      await accept(stranger, { inv_id: id }),
      await accept(owner, { inv_id: id }),
      await reject(invitee, { inv_id: id }).then(() => accept(invitee, { inv_id: id })),
    ];
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  it('answers 404 for the access key of somebody else and bears anything else there', async () => {
    const { invitee, id } = await inviteSomebody();
    expect((await accept(invitee, { inv_id: id, inv_ak: owner.accessKey })).status).toBe(404);
    expect(await pendingOf(invitee)).toHaveLength(1);
    expect((await accept(invitee, { inv_id: id, inv_ak: true })).status).toBe(200);
    const again = await inviteSomebody();
    expect((await accept(again.invitee, { inv_id: again.id, inv_ak: 'AKUNKNOWN\0' })).status).toBe(200);
  });

  it.each([{}, { inv_id: 7 }, { inv_id: null }])('refuses the input %j with 400', async (body) => {
    expect((await accept(owner, body)).status).toBe(400);
  });

  it('makes exactly one member out of many concurrent accepts', async () => {
    const { folder, invitee, id } = await inviteSomebody();
    const answers = await Promise.all(Array.from({ length: 20 }, () => accept(invitee, { inv_id: id })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 404)).toHaveLength(19);
    expect(itemsOf(await owner.call('GET', `${folder.path}/members`))).toHaveLength(2);
  });

  it('ends as accepted or rejected, never both, when both are asked at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { folder, invitee, id } = await inviteSomebody();
      const [accepted, rejected] = await Promise.all([
        accept(invitee, { inv_id: id }),
        reject(invitee, { inv_id: id }),
      ]);
      expect([accepted.status, rejected.status].toSorted()).toEqual([200, 404]);
      expect((await invitee.call('GET', folder.path)).status).toBe(accepted.status);
    }
  });

  it('never leaves a member or a name behind when the folder is deleted meanwhile', async () => {
    for (let round = 0; round < 15; round += 1) {
      const { folder, invitee, id } = await inviteSomebody();
      const [accepted, deleted] = await Promise.all([
        accept(invitee, { inv_id: id }),
        owner.call('DELETE', folder.path),
      ]);
      expect(deleted.status).toBe(204);
      expect([200, 404]).toContain(accepted.status);
      expect((await invitee.call('GET', folder.path)).status).toBe(404);
      expect(await pendingOf(invitee)).toEqual([]);
      const again = await invitee.call('POST', '/folders', { body: { name: folder.name } });
      expect(again.status).toBe(201);
    }
  });
});

describe('deleting a folder', () => {
  it('cancels what was offered and leaves answered invitations as they are', async () => {
    const { folder, invitee, id } = await inviteSomebody();
    const other = await service.signUp();
    await invite(folder.path, [other.email]);
    expect((await accept(invitee, { inv_id: id })).status).toBe(200);
    await owner.call('DELETE', folder.path);
    expect(await pendingOf(other)).toEqual([]);
    const rows = await service.services.db
      .select({ invitee: invitations.inviteeId, state: invitations.state })
      .from(invitations)
      .where(eq(invitations.folderId, folder.id));
    expect(new Map(rows.map((row) => [row.invitee, row.state]))).toEqual(
      new Map([
        [invitee.userId, 'accepted'],
        [other.userId, 'cancelled'],
      ]),
    );
  });
});

describe('DELETE /folders/invitations/delete', () => {
  it('turns the invitation down for good; the owner may invite again', async () => {
    const { folder, invitee, id } = await inviteSomebody();
    expect(await reject(invitee, { inv_id: id })).toMatchObject({
      status: 200,
      json: { msg: expect.any(String) },
    });
    expect((await reject(invitee, { inv_id: id })).status).toBe(404);
    expect((await invitee.call('GET', folder.path)).status).toBe(404);
    expect(await invite(folder.path, [invitee.email])).toMatchObject({
      json: { invited_ids: [invitee.email] },
    });
  });

  it('is for the invitee alone: not for the inviter, not for a stranger', async () => {
    const { invitee, id } = await inviteSomebody();
    const stranger = await service.signUp();
    for (const caller of [owner, stranger]) expect((await reject(caller, { inv_id: id })).status).toBe(404);
    for (const unknown of [uuidv7(), 'x', '']) {
      expect((await reject(invitee, { inv_id: unknown })).status).toBe(404);
    }
    expect(await pendingOf(invitee)).toHaveLength(1);
  });

  it('takes the id from the query too', async () => {
    const { invitee, id } = await inviteSomebody();
    expect((await invitee.call('DELETE', `/folders/invitations/delete?inv_id=${id}`)).status).toBe(200);
  });
});
