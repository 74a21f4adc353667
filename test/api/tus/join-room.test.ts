import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUpload, joinUploads } from '../../../api/tus/operations.ts';
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
        joinUploads(services, { ...order, path: `file-${index}`, partIds: [id] }).catch(
          (error: unknown) => error,
        ),
      ),
    );
    expect(refusals.every((error) => isDomainError(error, 'quota_exceeded'))).toBe(true);
  });
});
