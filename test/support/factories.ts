import { randomBytes } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { folders } from '../../db/schema/folders.ts';
import { members } from '../../db/schema/members.ts';
import { users } from '../../db/schema/users.ts';
import type { Permission } from '../../domain/permission.ts';

const gib = 1024 ** 3;

/** A user row with a unique address; anything can be overridden. @returns its id */
export async function insertTestUser(
  db: Executor,
  values: { readonly email?: string; readonly role?: 'user' | 'admin'; readonly isActive?: boolean } = {},
): Promise<string> {
  const id = uuidv7();
  await db
    .insert(users)
    .values({ id, email: `user-${randomBytes(6).toString('hex')}@example.org`, ...values });
  return id;
}

/**
 * A live folder with its owner's membership (1 GiB and 1,000 files unless overridden); makes no directories.
 * @returns its id and its name
 */
export async function insertTestFolder(
  db: Executor,
  values: {
    readonly ownerId: string;
    readonly name?: string;
    readonly volume?: string;
    readonly quotaBytes?: number;
    readonly quotaFiles?: number;
  },
): Promise<{ id: string; name: string }> {
  const { ownerId, name = `folder-${randomBytes(6).toString('hex')}`, volume = 'local', ...quota } = values;
  const id = uuidv7();
  await db.insert(folders).values({ id, ownerId, volume, quotaBytes: gib, quotaFiles: 1_000, ...quota });
  await db.insert(members).values({ folderId: id, userId: ownerId, name, permission: 'rd', isOwner: true });
  return { id, name };
}

/** A membership of somebody else's folder, under `name`. */
export async function insertTestMember(
  db: Executor,
  values: {
    readonly folderId: string;
    readonly userId: string;
    readonly name: string;
    readonly permission: Permission;
  },
): Promise<void> {
  await db.insert(members).values({ ...values, isOwner: false });
}
