import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Services } from '../../../api/services.ts';
import { openDigestCache } from '../../../api/tus/digests.ts';
import { createUpload } from '../../../api/tus/operations.ts';
import { receiveBytes } from '../../../api/tus/receive.ts';
import { claimUploadWriter, findResumableUpload } from '../../../db/queries/resumable-uploads.ts';
import { domainError } from '../../../domain/errors.ts';
import type { StageAppender, Volume } from '../../../storage/volume.ts';
import { insertTestFolder } from '../../support/factories.ts';
import { gate } from '../../support/gate.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

const mib = 1024 ** 2;
/** More than what is received before the first checkpoint. */
const sentBytes = 17 * mib;

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

/** The same storage, except for what `change` does to the writers of resumable uploads. */
function withAppenders(change: (appender: StageAppender) => StageAppender): Services {
  const { services, volume } = service;
  const changed: Volume = new Proxy(volume, {
    get: (target, name): unknown => {
      const appendStage: Volume['appendStage'] = async (...place) =>
        change(await target.appendStage(...place));
      return name === 'appendStage' ? appendStage : Reflect.get(target, name);
    },
  });
  return { ...services, volumes: new Map([['local', changed]]) };
}

async function beginUpload() {
  const { services, volume } = service;
  const { userId } = await service.signUp();
  const folder = await insertTestFolder(services.db, { ownerId: userId });
  await volume.createFolder(folder.id);
  const order = { userId, folder: folder.name, path: 'a.bin', metadata: '' };
  return await createUpload(services, { ...order, shape: 'whole', lengthBytes: 2 * sentBytes });
}

/** A server that receives for one upload by one request; `outcome` is why that ended. */
async function receiveOnce(services: Services, upload: Awaited<ReturnType<typeof beginUpload>>) {
  let settle: (outcome: unknown) => void = () => undefined;
  const outcome = new Promise<unknown>((resolve) => {
    settle = resolve;
  });
  let notice: () => void = () => undefined;
  const left = new Promise<void>((resolve) => {
    notice = resolve;
  });
  const server: Server = createServer((incoming) => {
    incoming.once('close', notice);
    const bytes = {
      incoming,
      signal: new AbortController().signal,
      acceptBody: () => undefined,
      verifyBody: async () => undefined,
      offsetBytes: 0,
      hasBytes: true,
    };
    receiveBytes(services, openDigestCache(), upload, bytes).then(settle, settle);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port }: AddressInfo = Object(server.address());
  const sender = request({ host: '127.0.0.1', port, method: 'PATCH' });
  sender.on('error', () => undefined);
  sender.write(Buffer.alloc(sentBytes, 'a'));
  return {
    outcome,
    /** Resolves once the server has noticed. */
    leave: async () => {
      sender.destroy();
      await left;
    },
    close: async () => {
      sender.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function standing(upload: Awaited<ReturnType<typeof beginUpload>>) {
  const { db } = service.services;
  const found = await findResumableUpload(db, { id: upload.id, userId: upload.actorId });
  const offsetBytes = found?.offsetBytes ?? -1;
  return { offsetBytes, writer: await claimUploadWriter(db, { id: upload.id, offsetBytes }) };
}

describe('an upload whose client left', () => {
  it('is free for the next request when its last checkpoint failed, in a file of its own', async () => {
    const { opened: begun, open: hasBegun } = gate();
    const { opened: held, open: goOn } = gate();
    const services = withAppenders((appender) => ({
      get sizeBytes() {
        return appender.sizeBytes;
      },
      write: (chunk) => appender.write(chunk),
      sync: async () => {
        hasBegun();
        await held;
        throw domainError('volume_unavailable', 'The disk is gone for a moment.');
      },
      close: () => appender.close(),
    }));
    const upload = await beginUpload();
    const reception = await receiveOnce(services, upload);
    await begun;
    await reception.leave();
    goOn();
    // Which of the two is met first is chance; nobody is there any more to be told.
    const code = expect.stringMatching(/^(upload_aborted|volume_unavailable)$/);
    expect(await reception.outcome).toMatchObject({ code });
    const { offsetBytes, writer } = await standing(upload);
    expect(offsetBytes).toBe(0);
    expect(writer?.segments.map(({ ordinal }) => ordinal)).toEqual([0, 1]);
    await reception.close();
  });

  it('is free for the next request when its file cannot even be closed', async () => {
    let failures = 0;
    const services = withAppenders((appender) => ({
      get sizeBytes() {
        return appender.sizeBytes;
      },
      write: async () => {
        throw domainError('volume_full', 'The disk is full.');
      },
      sync: () => appender.sync(),
      close: async () => {
        await appender.close();
        failures += 1;
        throw domainError('volume_unavailable', 'The disk is gone for a moment.');
      },
    }));
    const upload = await beginUpload();
    const reception = await receiveOnce(services, upload);
    expect(await reception.outcome).toMatchObject({ code: 'volume_full' });
    expect(failures).toBe(1);
    expect((await standing(upload)).writer?.segments).toHaveLength(2);
    await reception.close();
  });

  it('keeps what came, when a checkpoint only could not be recorded', async () => {
    let isDown = true;
    const { db } = service.services;
    const execute: typeof db.execute = (query) => {
      if (isDown && hasSynced) {
        isDown = false;
        throw new Error('planted: the database is away for a moment');
      }
      return db.execute(query);
    };
    let hasSynced = false;
    const { opened: begun, open: hasBegun } = gate();
    const { opened: held, open: goOn } = gate();
    const services = withAppenders((appender) => ({
      get sizeBytes() {
        return appender.sizeBytes;
      },
      write: (chunk) => appender.write(chunk),
      sync: async () => {
        hasBegun();
        await held;
        const synced = await appender.sync();
        hasSynced = true;
        return synced;
      },
      close: () => appender.close(),
    }));
    const failing = new Proxy(db, {
      get: (target, name): unknown => (name === 'execute' ? execute : Reflect.get(target, name)),
    });
    const upload = await beginUpload();
    const reception = await receiveOnce({ ...services, db: failing }, upload);
    await begun;
    await reception.leave();
    goOn();
    expect(await reception.outcome).toMatchObject({ code: 'upload_aborted' });
    const { offsetBytes, writer } = await standing(upload);
    expect(offsetBytes).toBeGreaterThanOrEqual(16 * mib);
    expect(writer?.segments).toEqual([{ uploadId: upload.id, ordinal: 0, bytes: offsetBytes }]);
    await reception.close();
  });
});
