import { afterAll, beforeAll, expect, it } from 'vitest';
import { transferFolder } from '../../../../api/folders/members/transfer.ts';
import { createFolder } from '../../../../api/folders/operations.ts';
import { insertTestMember } from '../../../support/factories.ts';
import { startTestService, type TestService } from '../test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

it('never gives a user more folders than they may own, however many arrive at once', async () => {
  const { services } = service;
  const { db } = services;
  const to = (await service.signUp({ foldersMax: 2 })).userId;
  const givers = await Promise.all(Array.from({ length: 6 }, () => service.signUp()));
  const gifts = await Promise.all(
    givers.map(async ({ userId }, index) => {
      const { id } = await createFolder(services, { userId, name: 'gift' });
      await insertTestMember(db, { folderId: id, userId: to, name: `gift ${index}`, permission: 'ro' });
      return { userId, nameOrId: 'gift', to, isForced: false };
    }),
  );
  const ends = await Promise.allSettled(gifts.map((gift) => transferFolder(services, gift)));
  const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
  expect(refusals).toHaveLength(4);
  for (const reason of refusals) expect(reason).toMatchObject({ code: 'folder_limit_reached' });
  const kept = await Promise.all(givers.map(({ call }) => call('GET', '/folders/gift')));
  expect(kept.filter(({ json }) => Object(Object(json).item).is_owner === true)).toHaveLength(4);
});
