import { and, eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll } from 'vitest';
import { createFolder, deleteFolder } from '../../../api/folders/operations.ts';
import { beginMounts, readMounts } from '../../../api/mounts/operations.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { mountSessions } from '../../../db/schema/mount-sessions.ts';
import { isDomainError } from '../../../domain/errors.ts';
import type { Permission } from '../../../domain/permission.ts';
import { insertTestMember, insertTestUser } from '../../support/factories.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

/** A folder and its owner. */
export interface Owned {
  readonly userId: string;
  readonly folderId: string;
  readonly name: string;
}

/** @returns `done`, or the code of the refusal; anything else is thrown */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => {
      if (!isDomainError(error)) throw error;
      return error.code;
    },
  );
}

/** A service for the tests of a file, and what they do there again and again. */
export function useMounts() {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service?.close());
  return {
    service: () => service,
    db: () => service.services.db,
    folderOf: async (userId?: string): Promise<Owned> => {
      const ownerId = userId ?? (await insertTestUser(service.services.db));
      const name = `folder-${uuidv7()}`;
      const { id } = await createFolder(service.services, { userId: ownerId, name });
      return { userId: ownerId, folderId: id, name };
    },
    memberOf: async ({ folderId, name }: Owned, permission: Permission): Promise<string> => {
      const userId = await insertTestUser(service.services.db);
      await insertTestMember(service.services.db, { folderId, userId, name, permission });
      return userId;
    },
    mount: (userId: string, session: string, ...folders: readonly string[]) =>
      beginMounts(service.services, { userId, session, folders, isReadOnly: false, leaseSeconds: undefined }),
    remove: ({ userId, folderId }: Owned, isForced = false, retentionDays = 0) =>
      deleteFolder(service.services, { userId, nameOrId: folderId, retentionDays, isForced }),
    /** Ends a lease as the clock does. */
    lapse: async (userId: string, session: string): Promise<void> => {
      await service.services.db
        .update(mountSessions)
        .set({ expiresAt: sql`now()` })
        .where(and(eq(mountSessions.userId, userId), eq(mountSessions.session, session)));
    },
    statesOf: async (userId: string, session: string): Promise<string[]> => {
      const { mounts } = await readMounts(service.services, { userId, session });
      return mounts.map(({ isRevoked }) => (isRevoked ? 'revoked' : 'active'));
    },
    /** How many counts of a folder were asked for. */
    countsOf: async (folderId: string): Promise<number> => {
      const asked = and(eq(jobs.folderId, folderId), eq(jobs.kind, 'usage.measure'));
      return await service.services.db.$count(jobs, asked);
    },
  };
}
