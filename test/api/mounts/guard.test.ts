import { and, eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import { renewMounts } from '../../../api/mounts/operations.ts';
import {
  holdFolders,
  holdMountedFolders,
  insertMountSession,
  lockOutMounts,
  renewMountSession,
} from '../../../db/queries/mounts.ts';
import { folders } from '../../../db/schema/folders.ts';
import { members } from '../../../db/schema/members.ts';
import { users } from '../../../db/schema/users.ts';
import { eventually } from '../../support/eventually.ts';
import { codeOf, useMounts } from './mount-stage.ts';

const { service, db, folderOf, memberOf, mount, remove, lapse, statesOf } = useMounts();

const heartbeat = (userId: string) =>
  renewMounts(service().services, { userId, session: 's', leaseSeconds: undefined });

/** Waits until so many stand in line for a folder. */
async function waitingInLine(count: number): Promise<void> {
  await eventually(async () => {
    const waiting = await db().execute(sql`
      SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    expect(waiting).toHaveLength(count);
  });
}

describe('a mount and a deletion at the same moment', () => {
  it.each([0, 7])('have exactly one winner, over and over (kept for %i days)', async (retentionDays) => {
    for (let round = 0; round < 25; round += 1) {
      const folder = await folderOf();
      const outcomes = await Promise.all([
        codeOf(mount(folder.userId, 's', folder.name)),
        codeOf(remove(folder, false, retentionDays)),
      ]);
      const [mounted, removed] = outcomes;
      expect(['done folder_mounted', 'not_found done'], `round ${round}`).toContain(`${mounted} ${removed}`);
      const [row] = await db().select().from(folders).where(eq(folders.id, folder.folderId));
      expect(row?.state === 'active').toBe(mounted === 'done');
      if (mounted === 'done') expect(await statesOf(folder.userId, 's')).toEqual(['active']);
    }
  });

  it('see each other where the deletion had to wait for the mount', async () => {
    const folder = await folderOf();
    let removal: Promise<string> | undefined;
    await db().transaction(async (tx) => {
      await holdFolders(tx, [folder.folderId]);
      removal = codeOf(remove(folder));
      await waitingInLine(1);
      const { folderId, userId } = folder;
      const wanted = [{ folderId, name: 'a', alias: 'a', isReadOnly: false }];
      await insertMountSession(tx, { id: uuidv7(), userId, session: 's', leaseSeconds: 300, mounts: wanted });
    });
    expect(await removal).toBe('folder_mounted');
  });

  it('see each other where the mount had to wait for the deletion', async () => {
    const folder = await folderOf();
    let mounted: Promise<string> | undefined;
    await db().transaction(async (tx) => {
      await lockOutMounts(tx, folder.folderId);
      mounted = codeOf(mount(folder.userId, 's', folder.name));
      await waitingInLine(1);
      await tx.update(folders).set({ state: 'deleted' }).where(eq(folders.id, folder.folderId));
    });
    expect(await mounted).toBe('not_found');
  });
});

describe('a heartbeat and a deletion at the same moment', () => {
  it('see each other where the deletion of a mount that lapses had to wait for the heartbeat', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    const reference = { userId: folder.userId, session: 's' };
    let removal: Promise<string> | undefined;
    await db().transaction(async (tx) => {
      await holdMountedFolders(tx, reference);
      // Later than the beginning of the heartbeat, earlier than that of the deletion.
      await lapse(folder.userId, 's');
      removal = codeOf(remove(folder));
      await waitingInLine(1);
      expect(await renewMountSession(tx, reference)).toBe(true);
    });
    expect(await removal).toBe('folder_mounted');
  });

  it('see each other where the heartbeat had to wait for the deletion', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    let renewal: Promise<unknown> | undefined;
    await db().transaction(async (tx) => {
      await lockOutMounts(tx, folder.folderId);
      renewal = heartbeat(folder.userId);
      await waitingInLine(1);
      await tx.update(folders).set({ state: 'deleted' }).where(eq(folders.id, folder.folderId));
    });
    expect(await renewal).toMatchObject({ mounts: [{ isRevoked: true }] });
  });

  it('take turns: heartbeats that come later do not go ahead of a deletion that waits', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    let outcomes: Promise<unknown[]> | undefined;
    await db().transaction(async (tx) => {
      await holdMountedFolders(tx, { userId: folder.userId, session: 's' });
      const removal = codeOf(remove(folder));
      await waitingInLine(1);
      outcomes = Promise.all([removal, heartbeat(folder.userId), heartbeat(folder.userId)]);
      await waitingInLine(3);
    });
    const alive = { mounts: [{ isRevoked: false }] };
    expect(await outcomes).toMatchObject(['folder_mounted', alive, alive]);
  });
});

describe('sessions and uploads', () => {
  it('do not wait for each other', async () => {
    const folder = await folderOf();
    await mount(folder.userId, 's', folder.name);
    const write = () =>
      db().transaction(async (tx) => {
        await tx.execute(sql`SET LOCAL lock_timeout = '2s'`);
        await tx.update(folders).set({ mutationSeq: 7 }).where(eq(folders.id, folder.folderId));
        // And the other way round, while the row is written to.
        await heartbeat(folder.userId);
      });
    await db().transaction(async (tx) => {
      await holdMountedFolders(tx, { userId: folder.userId, session: 's' });
      await write();
    });
  });
});

describe('who guards nothing', () => {
  it('keeps no deletion waiting: who was a member once', async () => {
    const folder = await folderOf();
    const member = await memberOf(folder, 'ro');
    await mount(member, 's', folder.name);
    const membership = and(eq(members.folderId, folder.folderId), eq(members.userId, member));
    await db().delete(members).where(membership);
    await db().transaction(async (tx) => {
      await lockOutMounts(tx, folder.folderId);
      expect(await heartbeat(member)).toMatchObject({ mounts: [{ isRevoked: true }] });
    });
    expect(await codeOf(remove(folder))).toBe('done');
  });

  it('keeps no deletion waiting, nor the folder: who was switched off', async () => {
    const folder = await folderOf();
    const member = await memberOf(folder, 'rd');
    await mount(member, 's', folder.name);
    expect(await codeOf(remove(folder))).toBe('folder_mounted');
    await db().update(users).set({ isActive: false }).where(eq(users.id, member));
    await db().transaction(async (tx) => {
      await lockOutMounts(tx, folder.folderId);
      expect(await heartbeat(member)).toMatchObject({ mounts: [{ isRevoked: true }] });
    });
    expect(await codeOf(remove(folder))).toBe('done');
  });
});
