import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUpload, joinUploads, openPartsMax, terminateUpload } from '../../../api/tus/operations.ts';
import { isDomainError } from '../../../domain/errors.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

/** More than the pool of the service has connections. */
const joinsAtOnce = 24;

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

describe('joining parts in a folder without room', () => {
  it('refuses more requests at once than there are connections, and leaves the connections to others', async () => {
    const { services, volume } = service;
    const { userId } = await service.signUp();
    const folder = await insertTestFolder(services.db, { ownerId: userId, quotaFiles: 0 });
    await volume.createFolder(folder.id);
    const order = { userId, folder: folder.name, metadata: '' };
    const parts = await Promise.all(
      Array.from({ length: joinsAtOnce }, () =>
        createUpload(services, { ...order, path: undefined, shape: 'partial', lengthBytes: 0 }),
      ),
    );
    const refusals = await Promise.all(
      parts.map(({ id }, index) =>
        joinUploads(services, { ...order, path: `file-${index}`, partIds: [id], concat: 'final;x' }).catch(
          (error: unknown) => error,
        ),
      ),
    );
    expect(refusals.every((error) => isDomainError(error, 'quota_exceeded'))).toBe(true);
  });

  it('never makes more files of parts without a byte than the folder may hold', async () => {
    const { services, volume } = service;
    const { userId } = await service.signUp();
    const folder = await insertTestFolder(services.db, { ownerId: userId, quotaFiles: 2 });
    await volume.createFolder(folder.id);
    const order = { userId, folder: folder.name, metadata: '' };
    const outcomes: unknown[] = [];
    for (const index of [1, 2, 3, 4]) {
      const { id } = await createUpload(services, {
        ...order,
        path: undefined,
        shape: 'partial',
        lengthBytes: 0,
      });
      const joining = joinUploads(services, {
        ...order,
        path: `file-${index}`,
        partIds: [id],
        concat: 'final;x',
      });
      outcomes.push(
        await joining.then(
          () => 'joined',
          (error: unknown) => Object(error).code,
        ),
      );
    }
    expect(outcomes).toEqual(['joined', 'joined', 'quota_exceeded', 'quota_exceeded']);
  });

  it('takes so many open parts and no more, at any concurrency, and one again when one is given up', async () => {
    const { services, volume } = service;
    const { userId } = await service.signUp();
    const folder = await insertTestFolder(services.db, { ownerId: userId });
    await volume.createFolder(folder.id);
    const ids = JSON.stringify(Array.from({ length: openPartsMax - 3 }, () => uuidv7()));
    await services.db.execute(sql`
      WITH made AS (
        INSERT INTO uploads (id, folder_id, actor_id, reserved_bytes, reserved_files, lease_until)
        SELECT jsonb_array_elements_text(${ids}::jsonb)::uuid, ${folder.id}, ${userId}, 0, 0, now() + interval '1 hour'
        RETURNING id
      )
      INSERT INTO resumable_uploads (upload_id, shape, path, metadata) SELECT id, 'partial', '', '' FROM made`);
    const part = { userId, folder: folder.name, metadata: '', path: undefined, lengthBytes: 0 };
    const begin = () =>
      createUpload(services, { ...part, shape: 'partial' }).then(
        ({ id }) => id,
        (error: unknown) => String(Object(error).code),
      );
    const outcomes = await Promise.all(Array.from({ length: 8 }, begin));
    const begun = outcomes.filter((outcome) => outcome !== 'requests_busy');
    expect(begun).toHaveLength(3);
    await terminateUpload(services, { id: begun[0] ?? '', userId });
    expect(await begin()).not.toBe('requests_busy');
    expect(await begin()).toBe('requests_busy');
  });
});
