import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { and, eq, sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { endMounts, listMounts, readMounts, renewMounts } from '../../../api/mounts/operations.ts';
import { purgeFromTrash } from '../../../api/trash/operations.ts';
import { folders } from '../../../db/schema/folders.ts';
import { members } from '../../../db/schema/members.ts';
import { users } from '../../../db/schema/users.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { codeOf, type Owned, useMounts } from './mount-stage.ts';

const { service, db, folderOf, memberOf, mount, remove, lapse, statesOf, countsOf } = useMounts();

describe('a guarded folder', () => {
  it('stays until the session has ended, and is counted then', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    for (const retentionDays of [0, 3])
      expect(await codeOf(remove(folder, false, retentionDays))).toBe('folder_mounted');
    expect(await countsOf(folder.folderId)).toBe(0);
    await endMounts(service().services, { userId: folder.userId, session: 's' });
    expect(await countsOf(folder.folderId)).toBe(1);
    expect(await codeOf(remove(folder))).toBe('done');
  });

  it('is free once the lease has lapsed, whether its rows are forgotten or not', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    await lapse(folder.userId, 's');
    const reference = { userId: folder.userId, session: 's' };
    expect(await codeOf(readMounts(service().services, reference))).toBe('not_found');
    expect(await codeOf(renewMounts(service().services, { ...reference, leaseSeconds: 60 }))).toBe(
      'not_found',
    );
    expect(await listMounts(service().services, folder.userId)).toEqual([]);
    expect(await codeOf(remove(folder))).toBe('done');
  });

  it('goes where that is said, and the mount is revoked; the trash is guarded by nothing', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    expect(await codeOf(remove(folder, true, 3))).toBe('done');
    expect(await statesOf(folder.userId, 's')).toEqual(['revoked']);
    const trashed = { userId: folder.userId, id: folder.folderId };
    expect(await codeOf(purgeFromTrash(service().services, trashed))).toBe('done');
  });

  it('is guarded by its members, and no more by whoever was one', async () => {
    const folder = await folderOf();
    const member = await memberOf(folder, 'ro');
    await mount(member, 's', folder.name);
    expect(await codeOf(remove(folder))).toBe('folder_mounted');
    const membership = and(eq(members.folderId, folder.folderId), eq(members.userId, member));
    await service().services.db.delete(members).where(membership);
    expect(await statesOf(member, 's')).toEqual(['revoked']);
    expect(await codeOf(mount(member, 's', folder.folderId))).toBe('not_found');
    expect(await codeOf(remove(folder))).toBe('done');
  });
});

describe('what a session may do', () => {
  it.each([
    ['ro', true],
    ['rw', true],
    ['rd', false],
  ] as const)('with %s is read-only: %s', async (permission, isReadOnly) => {
    const folder = await folderOf();
    const member = await memberOf(folder, permission);
    const { session } = await mount(member, 's', folder.name);
    expect(session.mounts).toMatchObject([{ isReadOnly, isRevoked: false }]);
    await endMounts(service().services, { userId: member, session: 's' });
    expect(await countsOf(folder.folderId)).toBe(isReadOnly ? 0 : 1);
  });

  it('is revoked when the permission no longer covers it, and with the user who is switched off', async () => {
    const folder = await folderOf();
    const member = await memberOf(folder, 'rd');
    await mount(member, 's', folder.name);
    await db().update(members).set({ permission: 'rw' }).where(eq(members.userId, member));
    expect(await statesOf(member, 's')).toEqual(['revoked']);
    expect(await codeOf(mount(member, 's', folder.name))).toBe('mounts_differ');
    await db().update(members).set({ permission: 'rd' }).where(eq(members.userId, member));
    expect(await statesOf(member, 's')).toEqual(['active']);
    await db().update(users).set({ isActive: false }).where(eq(users.id, member));
    expect(await statesOf(member, 's')).toEqual(['revoked']);
  });
});

describe('a session', () => {
  it('begins once however many ask at the same time, and is its user’s own', async () => {
    const folder = await folderOf();
    const other = await folderOf(folder.userId);
    const same = await Promise.all(Array.from({ length: 8 }, () => mount(folder.userId, 's', folder.name)));
    expect(same.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(new Set(same.map(({ session }) => session.id)).size).toBe(1);
    expect(await codeOf(mount(folder.userId, 's', other.name))).toBe('mounts_differ');
    expect(await codeOf(mount(folder.userId, 's', folder.name, other.name))).toBe('mounts_differ');
    expect(await codeOf(mount(folder.userId, 's', `${folder.name}:x`))).toBe('mounts_differ');
    const member = await memberOf(folder, 'ro');
    expect((await mount(member, 's', folder.name)).isNew).toBe(true);
  });

  it('may begin anew under its name after it lapsed, and what it wrote before is counted', async () => {
    const folder = await folderOf();
    const other = await folderOf(folder.userId);
    const first = await mount(folder.userId, 's', folder.name);
    await lapse(folder.userId, 's');
    const second = await mount(folder.userId, 's', other.name);
    expect(second.isNew).toBe(true);
    expect(second.session.id).not.toBe(first.session.id);
    expect(await countsOf(folder.folderId)).toBe(1);
    expect((await listMounts(service().services, folder.userId)).map(({ id }) => id)).toEqual([
      second.session.id,
    ]);
  });

  it('gets all of its folders or none', async () => {
    const folder = await folderOf();
    expect(await codeOf(mount(folder.userId, 's', folder.name, 'nowhere'))).toBe('not_found');
    expect(await listMounts(service().services, folder.userId)).toEqual([]);
    expect(await codeOf(remove(folder))).toBe('done');
  });

  it('gets none that is being made, nor one in the trash', async () => {
    const folder = await folderOf();
    for (const state of ['cloning', 'trashed', 'deleted', 'purged'] as const) {
      await db().update(folders).set({ state }).where(eq(folders.id, folder.folderId));
      expect(await codeOf(mount(folder.userId, 's', folder.name))).toBe('not_found');
      expect(await codeOf(mount(folder.userId, 's', folder.folderId))).toBe('not_found');
    }
  });

  it('gets none whose directory is not there, or whose volume is not', async () => {
    const folder = await folderOf();
    const source = service().volume.mountSource(folder.folderId);
    expect(source.path).toBe(join(service().root, source.subpath));
    await rm(source.path, { recursive: true });
    expect(await codeOf(mount(folder.userId, 's', folder.name))).toBe('volume_unavailable');
    const elsewhere = await insertTestFolder(db(), { ownerId: folder.userId, volume: 'far' });
    expect(await codeOf(mount(folder.userId, 's', elsewhere.name))).toBe('volume_unavailable');
  });

  it('is one of a hundred at most, even of many at once, those that lapsed left out', async () => {
    const folder = await folderOf();
    await db().execute(sql`INSERT INTO mount_sessions (id, user_id, session, lease_seconds, expires_at)
      SELECT gen_random_uuid(), ${folder.userId}, 'n' || n, 300, now() + interval '300 s' FROM generate_series(1, 97) n`);
    const outcomes = await Promise.all(
      Array.from({ length: 9 }, (_, index) => codeOf(mount(folder.userId, `s${index}`, folder.name))),
    );
    expect(outcomes.filter((one) => one === 'done')).toHaveLength(3);
    expect(outcomes.filter((one) => one === 'mount_limit_reached')).toHaveLength(6);
    await lapse(folder.userId, 'n1');
    expect(await codeOf(mount(folder.userId, 'more', folder.name))).toBe('done');
  });
});

it('names a folder by id even where another one is called like that', async () => {
  const folder = await folderOf();
  const { id } = await insertTestFolder(db(), { ownerId: folder.userId, name: folder.folderId });
  await service().volume.createFolder(id);
  const { session } = await mount(folder.userId, 's', `${folder.folderId}:a`);
  expect(session.mounts).toMatchObject([{ folderId: folder.folderId, alias: 'a', name: folder.name }]);
});

it('meets refusals and nothing else while all of it happens at the same time', async () => {
  const { services } = service();
  const owned = [await folderOf(), await folderOf(), await folderOf()];
  const people = await Promise.all(owned.map((folder) => memberOf(folder, 'rd')));
  for (const folder of owned) {
    for (const userId of people) {
      const membership = { folderId: folder.folderId, userId, name: folder.name, permission: 'rd' } as const;
      await services.db
        .insert(members)
        .values({ ...membership, isOwner: false })
        .onConflictDoNothing();
    }
  }
  const names = owned.map(({ name }) => name);
  const acts = [
    (userId: string, session: string) => mount(userId, session, ...names),
    (userId: string, session: string) => mount(userId, session, ...names.toReversed()),
    (userId: string, session: string) => renewMounts(services, { userId, session, leaseSeconds: undefined }),
    (userId: string, session: string) => endMounts(services, { userId, session }),
    (userId: string, session: string) => lapse(userId, session),
    async (_userId: string, _session: string, folder: Owned) => await remove(folder),
    (_userId: string, _session: string, { folderId }: Owned) =>
      services.db.update(folders).set({ mutationSeq: sql`mutation_seq + 1` }).where(eq(folders.id, folderId)),
  ];
  const outcomes = await Promise.all(
    Array.from({ length: 420 }, (_, at) => {
      const [act, userId, folder] = [acts[at % acts.length], people[at % 3], owned[(at >> 2) % 3]];
      if (act === undefined || userId === undefined || folder === undefined)
        throw new Error('All are there.');
      return codeOf(Promise.resolve(act(userId, `s${at % 2}`, folder)));
    }),
  );
  const known = ['done', 'not_found', 'folder_mounted', 'mounts_differ'];
  expect(outcomes.filter((one) => !known.includes(one))).toEqual([]);
  expect(outcomes).toContain('done');
});
