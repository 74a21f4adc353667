import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { at } from '../support/json.ts';
import { setFolderLimits } from '../support/limits.ts';
import { type Service, startService } from '../support/service.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, tus } from '../support/tus.ts';
import { createFolder, createUser, type TestFolder, upload } from '../support/users.ts';
import { describeEachQueue } from './each-queue.ts';

const filesMax = 3;

describeEachQueue('a folder that holds all the files it may', (backend) => {
  let service: Service;
  let client: Client;
  beforeAll(async () => {
    service = await startService({ backend });
    ({ client } = await createUser(service));
  });
  afterAll(() => service?.stop());

  async function fullFolder(): Promise<TestFolder> {
    const folder = await createFolder(client);
    await setFolderLimits(service, folder.id, { files: filesMax });
    await upload(client, folder, { a: 'old a', b: 'old b', 'd/c': 'old c' });
    return folder;
  }

  const ways: Readonly<
    Record<string, (folder: TestFolder, path: string, content: string) => Promise<Answer>>
  > = {
    'an upload': (folder, path, content) =>
      client.call('POST', folder.path('upload'), {
        parts: [{ fileName: path, bytes: Buffer.from(content) }],
      }),
    PUT: (folder, path, content) => client.call('PUT', `${folder.path('files')}/${path}`, { body: content }),
    'a resumable upload': (folder, path, content) =>
      tus(client, 'POST', '/uploads', {
        body: content,
        headers: {
          'Content-Type': 'application/offset+octet-stream',
          'Upload-Length': String(content.length),
          'Upload-Metadata': metadataOf({ folder: folder.name, path }),
        },
      }),
  };

  it.each(Object.entries(ways))('takes a file that replaces one, and no other, by %s', async (_, send) => {
    const folder = await fullFolder();
    for (const path of ['a', 'd/c']) expect((await send(folder, path, 'new')).status).toBeLessThan(300);
    const refused = await send(folder, 'd/new', 'new');
    expect([refused.status, at(refused.json, 'code')]).toEqual([507, 'quota_exceeded']);
    await eventually(async () => {
      const usage = await readUsage(client, folder.name);
      expect(usage).toMatchObject({ live: { bytes: 11, files: 3 }, reserved: { bytes: 0, files: 0 } });
    });
    const { data, stage } = await treeUsage(service.volumeRoot, folder.id);
    expect([data, stage]).toEqual([
      { bytes: 11, files: 3 },
      { bytes: 0, files: 0 },
    ]);
  });

  it('takes what replaces several, and refuses a mixture whole', async () => {
    const folder = await fullFolder();
    await upload(client, folder, { a: 'new', 'd/c': 'new' });
    const parts = ['b', 'e/f'].map((fileName) => ({ fileName, bytes: Buffer.from('mixed') }));
    const mixed = await client.call('POST', folder.path('upload'), { parts });
    expect([mixed.status, at(mixed.json, 'code')]).toEqual([507, 'quota_exceeded']);
    const read = await client.call('GET', `${folder.path('files')}/b`);
    expect([read.status, read.text]).toEqual([200, 'old b']);
  });

  it('never holds one more, whatever is deleted and replaced at the same time', async () => {
    const folder = await fullFolder();
    for (let round = 0; round < 8; round += 1) {
      const writes = Object.values(ways).flatMap((send) => [send(folder, 'a', 'A'), send(folder, 'b', 'B')]);
      const deletes = ['a', 'b'].map((path) => client.call('DELETE', `${folder.path('files')}/${path}`));
      const others = [`x${round}`, `y${round}`].map((path) => ways.PUT?.(folder, path, 'X'));
      const answers = Promise.all([...writes, ...deletes, ...others]);
      let isOver = false;
      void answers.finally(() => {
        isOver = true;
      });
      while (!isOver) {
        const { live, trash, reserved } = await readUsage(client, folder.name);
        expect(live.files + trash.files + reserved.files).toBeLessThanOrEqual(filesMax);
      }
      for (const answer of await answers) expect([200, 201, 204, 404, 409, 507]).toContain(answer?.status);
    }
    await eventually(async () => {
      const { live, trash, reserved } = await readUsage(client, folder.name);
      const { data, stage } = await treeUsage(service.volumeRoot, folder.id);
      expect([trash.files, reserved]).toEqual([0, { bytes: 0, files: 0 }]);
      expect([data, stage]).toEqual([live, { bytes: 0, files: 0 }]);
    });
  }, 120_000);
});
