import { count, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFolder, deleteFolder } from '../../../api/folders/operations.ts';
import { folders } from '../../../db/schema/folders.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { isDomainError } from '../../../domain/errors.ts';
import { startTestService, type TestService } from './test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

/** The code of each refusal, and `ok` for each success. Anything but a refusal fails the test. */
async function outcomes(attempts: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const tally: Record<string, number> = {};
  for (const settled of await Promise.allSettled(attempts)) {
    if (settled.status === 'rejected' && !isDomainError(settled.reason)) throw settled.reason;
    const outcome = settled.status === 'fulfilled' ? 'ok' : settled.reason.code;
    tally[outcome] = (tally[outcome] ?? 0) + 1;
  }
  return tally;
}

async function countOwned(ownerId: string): Promise<number> {
  const [row] = await service.services.db
    .select({ total: count() })
    .from(folders)
    .where(eq(folders.ownerId, ownerId));
  return row?.total ?? 0;
}

describe('createFolder', () => {
  it('never exceeds the limit by one, however many requests race for it', async () => {
    const { userId } = await service.signUp({ foldersMax: 7 });
    const before = await service.listStoredFolders();
    const attempts = Array.from({ length: 50 }, (_, index) =>
      createFolder(service.services, { userId, name: `race ${index}` }),
    );
    expect(await outcomes(attempts)).toEqual({ ok: 7, folder_limit_reached: 43 });
    expect(await countOwned(userId)).toBe(7);
    const stored = await service.listStoredFolders();
    expect(stored.length - before.length).toBe(7);
  });

  it('gives a name to exactly one of many concurrent requests and leaves no directory of the others', async () => {
    const { userId } = await service.signUp();
    const before = await service.listStoredFolders();
    const attempts = Array.from({ length: 30 }, () =>
      createFolder(service.services, { userId, name: 'the one' }),
    );
    expect(await outcomes(attempts)).toEqual({ ok: 1, folder_name_taken: 29 });
    expect(await countOwned(userId)).toBe(1);
    const stored = await service.listStoredFolders();
    expect(stored.length - before.length).toBe(1);
  });

  it('gives a new folder the limits of its owner’s policy', async () => {
    const { userId } = await service.signUp({ foldersMax: 1, folderBytesMax: 123, folderFilesMax: 4 });
    const { id } = await createFolder(service.services, { userId, name: 'small' });
    const [row] = await service.services.db.select().from(folders).where(eq(folders.id, id));
    expect(row).toMatchObject({ quotaBytes: 123, quotaFiles: 4, usedBytes: 0, state: 'active' });
  });
});

describe('deleteFolder', () => {
  it('succeeds once for many concurrent requests, with one job', async () => {
    const { userId } = await service.signUp();
    const { id } = await createFolder(service.services, { userId, name: 'going' });
    const attempts = Array.from({ length: 20 }, () =>
      deleteFolder(service.services, { userId, nameOrId: 'going', retentionDays: 0, isForced: false }),
    );
    expect(await outcomes(attempts)).toEqual({ ok: 1, not_found: 19 });
    const rows = await service.services.db.select().from(jobs).where(eq(jobs.folderId, id));
    expect(rows).toHaveLength(1);
  });

  it('frees the name for a create that comes right after, over and over', async () => {
    const { userId } = await service.signUp({ foldersMax: 1 });
    for (let round = 0; round < 10; round += 1) {
      await createFolder(service.services, { userId, name: 'same' });
      await deleteFolder(service.services, { userId, nameOrId: 'same', retentionDays: 0, isForced: false });
    }
    expect(await countOwned(userId)).toBe(10);
  });
});
