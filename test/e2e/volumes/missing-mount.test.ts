import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startProcess } from '../../support/process.ts';
import { createClient } from '../support/http-client.ts';
import { type Ground, layGround, type Service, startApi, startWorker } from '../support/service.ts';
import { createFolder, createUser, upload } from '../support/users.ts';

let ground: Ground;
beforeAll(async () => {
  ground = await layGround({ backend: 'postgres' });
});
afterAll(() => ground.remove());

async function start() {
  const ready = /is ready at (http:\S+)/;
  const env = { ...ground.env, VFOLDER_WORKERS: '1' };
  const process = await startProcess({ program: 'supervisor/main.js', env, ready, timeoutMs: 45_000 });
  const url = Array.isArray(process.readiness) ? (process.readiness[1] ?? '') : '';
  const service: Pick<Service, 'administrator' | 'client'> = {
    administrator: createClient(url, ground.admin),
    client: (keypair) => createClient(url, keypair),
  };
  return { process, service };
}

it('begins no empty volume below a mount that is missing, and finds everything when it is back', async () => {
  const { volumeRoot } = ground;
  const first = await start();
  const owner = await createUser(first.service);
  const folder = await createFolder(owner.client);
  await upload(owner.client, folder, { file: 'content' });
  await first.process.stop(30_000);

  const aside = `${volumeRoot}.aside`;
  await rename(volumeRoot, aside);
  await mkdir(volumeRoot);
  const refusal = /The volume "local" at \S+ is empty, but 1 folders lie on it: mount it/;
  await expect(start()).rejects.toThrow(refusal);
  await expect(startApi(ground)).rejects.toThrow(refusal);
  await expect(startWorker(ground)).rejects.toThrow(refusal);
  expect(await readdir(volumeRoot)).toEqual([]);

  await rmdir(volumeRoot);
  await rename(aside, volumeRoot);
  const again = await start();
  const found = await again.service.client(owner.keypair).call('GET', `${folder.path('files')}/file`);
  expect(found).toMatchObject({ status: 200, text: 'content' });
  await again.process.stop(30_000);
}, 120_000);
