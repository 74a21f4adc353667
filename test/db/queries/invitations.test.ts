import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { markFolderDeleted } from '../../../db/queries/folders.ts';
import {
  answerInvitation,
  cancelFolderInvitations,
  findPendingInvitation,
  insertInvitations,
  isForeignAccessKey,
  listInvitees,
  listPendingInvitations,
} from '../../../db/queries/invitations.ts';
import { keypairs } from '../../../db/schema/keypairs.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

async function offer(values: { ownerId?: string; inviteeId?: string } = {}) {
  const { db } = database;
  const ownerId = values.ownerId ?? (await insertTestUser(db));
  const inviteeId = values.inviteeId ?? (await insertTestUser(db));
  const folder = await insertTestFolder(db, { ownerId });
  const id = uuidv7();
  const offered = { id, folderId: folder.id, inviterId: ownerId, inviteeId, permission: 'rw' } as const;
  expect(await insertInvitations(db, [offered])).toEqual([inviteeId]);
  return { ...offered, folderName: folder.name };
}

describe('insertInvitations', () => {
  it('leaves a pending offer as it is and names only the invitees it recorded', async () => {
    const { db } = database;
    const first = await offer();
    const other = await insertTestUser(db);
    const again = { ...first, permission: 'rd' } as const;
    const recorded = await insertInvitations(db, [
      { ...again, id: uuidv7() },
      { ...again, id: uuidv7(), inviteeId: other },
    ]);
    expect(recorded).toEqual([other]);
    expect(await listPendingInvitations(db, first.inviteeId)).toMatchObject([
      { id: first.id, permission: 'rw' },
    ]);
  });

  it('allows a new offer once the old one is answered', async () => {
    const { db } = database;
    const first = await offer();
    const reference = { invitationId: first.id, inviteeId: first.inviteeId };
    expect(await answerInvitation(db, reference, 'rejected')).not.toBeNull();
    expect(await insertInvitations(db, [{ ...first, id: uuidv7() }])).toEqual([first.inviteeId]);
  });

  it('does nothing for an empty list', async () => {
    expect(await insertInvitations(database.db, [])).toEqual([]);
  });
});

describe('answerInvitation', () => {
  it('lets exactly one of many concurrent answers through', async () => {
    const { id: invitationId, inviteeId } = await offer();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        answerInvitation(database.db, { invitationId, inviteeId }, index % 2 === 0 ? 'accepted' : 'rejected'),
      ),
    );
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  it('ignores everybody but the invitee', async () => {
    const { id: invitationId, inviterId, inviteeId } = await offer();
    const byInviter = { invitationId, inviteeId: inviterId };
    expect(await answerInvitation(database.db, byInviter, 'rejected')).toBeNull();
    expect(await findPendingInvitation(database.db, byInviter)).toBeNull();
    expect(await findPendingInvitation(database.db, { invitationId, inviteeId })).not.toBeNull();
  });
});

describe('listPendingInvitations', () => {
  it('shows the oldest first, with the folder’s name as its owner sees it', async () => {
    const { db } = database;
    const inviteeId = await insertTestUser(db);
    const first = await offer({ inviteeId });
    const second = await offer({ inviteeId });
    const listed = await listPendingInvitations(db, inviteeId);
    expect(listed.map(({ id, folderName }) => [id, folderName])).toEqual([
      [first.id, first.folderName],
      [second.id, second.folderName],
    ]);
  });

  it('hides offers of folders that are gone, answered offers and cancelled ones', async () => {
    const { db } = database;
    const inviteeId = await insertTestUser(db);
    const [gone, answered, cancelled] = [
      await offer({ inviteeId }),
      await offer({ inviteeId }),
      await offer({ inviteeId }),
    ];
    await markFolderDeleted(db, { folderId: gone.folderId, userId: gone.inviterId });
    await answerInvitation(db, { invitationId: answered.id, inviteeId }, 'rejected');
    await cancelFolderInvitations(db, cancelled.folderId);
    expect(await listPendingInvitations(db, inviteeId)).toEqual([]);
    const late = { invitationId: cancelled.id, inviteeId };
    expect(await answerInvitation(db, late, 'accepted')).toBeNull();
  });
});

describe('listInvitees', () => {
  it('finds active users by id or by address in any case, and leaves members out', async () => {
    const { db } = database;
    const ownerId = await insertTestUser(db);
    const { id: folderId } = await insertTestFolder(db, { ownerId });
    const byId = await insertTestUser(db);
    const mark = crypto.randomUUID();
    const byEmail = await insertTestUser(db, { email: `Ada.${mark}@Example.org` });
    const inactive = await insertTestUser(db, { isActive: false });
    const member = await insertTestUser(db);
    await insertTestMember(db, { folderId, userId: member, name: 'shared', permission: 'ro' });
    const found = await listInvitees(db, {
      folderId,
      userIds: [byId, byEmail, inactive, member, ownerId, uuidv7()],
      emails: [`ADA.${mark}@example.ORG`, 'nobody@example.org'],
    });
    expect(found.map(({ id }) => id).toSorted()).toEqual([byId, byEmail].toSorted());
    expect(await listInvitees(db, { folderId, userIds: [], emails: [] })).toEqual([]);
  });
});

describe('isForeignAccessKey', () => {
  it('is true only for a key that exists and belongs to somebody else', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    await db.insert(keypairs).values({ accessKey: 'AKMINE', userId, secretSealed: Buffer.from('sealed') });
    const strangerId = await insertTestUser(db);
    expect(await isForeignAccessKey(db, { accessKey: 'AKMINE', userId })).toBe(false);
    expect(await isForeignAccessKey(db, { accessKey: 'AKMINE', userId: strangerId })).toBe(true);
    expect(await isForeignAccessKey(db, { accessKey: 'AKNONE', userId })).toBe(false);
  });
});
