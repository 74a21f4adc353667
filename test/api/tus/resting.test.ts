import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Services } from '../../../api/services.ts';
import { createUpload } from '../../../api/tus/operations.ts';
import { loadRestingUpload } from '../../../api/tus/writer-claim.ts';
import {
  claimUploadWriter,
  recordUploadProgress,
  renewUploadWriter,
} from '../../../db/queries/resumable-uploads.ts';
import { eventually } from '../../support/eventually.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

/** An upload that a request writes to, and who looks at it while counting the looks. */
async function beginWriting() {
  const { services, volume } = service;
  const { db } = services;
  const { userId } = await service.signUp();
  const folder = await insertTestFolder(db, { ownerId: userId });
  await volume.createFolder(folder.id);
  const order = { userId, folder: folder.name, path: 'a.bin', metadata: '' };
  const { id } = await createUpload(services, { ...order, shape: 'whole', lengthBytes: 100 });
  const writer = await claimUploadWriter(db, { id, offsetBytes: 0 });
  const fence = writer?.fence ?? 0;
  let looks = 0;
  const counting: Services['db'] = new Proxy(db, {
    get: (target, name): unknown => {
      if (name === 'select') looks += 1;
      return Reflect.get(target, name);
    },
  });
  const leaving = new AbortController();
  return {
    looking: loadRestingUpload({ db: counting }, { id, userId }, leaving.signal),
    /** The look that found the writer has been answered. */
    untilWaiting: () => eventually(() => expect(looks).toBeGreaterThan(1)),
    record: (offsetBytes: number) =>
      recordUploadProgress(db, { id, fence, offsetBytes, segments: writer?.segments ?? [], isLast: true }),
    renew: () => renewUploadWriter(db, { id, fence, isActive: true }),
    leave: () => leaving.abort(),
  };
}

it('waits for a request that is ending, and tells the offset it ended at', async () => {
  const { looking, untilWaiting, record } = await beginWriting();
  await untilWaiting();
  expect(await record(37)).toBe(true);
  expect((await looking).offsetBytes).toBe(37);
});

it('does not wait for a request that goes on', async () => {
  const { looking, untilWaiting, renew } = await beginWriting();
  await untilWaiting();
  expect(await renew()).toBe(true);
  const found = await looking;
  expect(found.offsetBytes).toBe(0);
  expect(found.writerUntil).not.toBeNull();
});

it('does not wait for ever, nor for a client that went away', async () => {
  const silent = await beginWriting();
  expect((await silent.looking).offsetBytes).toBe(0);
  const left = await beginWriting();
  await left.untilWaiting();
  left.leave();
  expect((await left.looking).offsetBytes).toBe(0);
});
