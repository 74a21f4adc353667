import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createUpload, joinUploads } from '../../../api/tus/operations.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

async function makePart() {
  const { services, volume } = service;
  const { userId } = await service.signUp();
  const folder = await insertTestFolder(services.db, { ownerId: userId });
  await volume.createFolder(folder.id);
  const order = { userId, folder: folder.name, metadata: '' };
  const part = { ...order, path: undefined, shape: 'partial', lengthBytes: 0 } as const;
  const { id } = await createUpload(services, part);
  return { ...order, partIds: [id], concat: `final;/uploads/${id}` };
}

describe('parts that are joined', () => {
  it('answer one upload to every request for the same path, also at the same time', async () => {
    const order = { ...(await makePart()), path: 'whole' };
    const joined = await Promise.all(Array.from({ length: 5 }, () => joinUploads(service.services, order)));
    expect(new Set(joined.map(({ id }) => id)).size).toBe(1);
  });

  it('are refused to a request for another path, which would not get its file', async () => {
    const order = await makePart();
    await joinUploads(service.services, { ...order, path: 'first' });
    await expect(joinUploads(service.services, { ...order, path: 'second' })).rejects.toMatchObject({
      code: 'request_malformed',
    });
  });
});
