import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../support/http-client.ts';
import { type Ground, layGround, prepareGround, startApi } from '../support/service.ts';
import { createFolder } from '../support/users.ts';

/** Half of what is usual, so that the usual time would be too long. */
const patienceMs = 15_000;

let ground: Ground;
beforeAll(async () => {
  ground = await layGround({ backend: 'postgres' });
  await prepareGround(ground);
}, 60_000);
afterAll(() => ground?.remove());

it('ends an API with a client that never finishes after VFOLDER_SHUTDOWN_SECONDS, in order', async () => {
  const api = await startApi(ground, { VFOLDER_SHUTDOWN_SECONDS: '1' });
  const client = createClient(api.url, ground.admin);
  const folder = await createFolder(client);
  const { accessKey, secretKey } = ground.admin;
  const upload = request(`${api.url}${folder.path('files', 'endless')}`, {
    method: 'PUT',
    auth: `${accessKey}:${secretKey}`,
    headers: { 'Content-Length': 1_000_000, Expect: '100-continue' },
  });
  const cut = new Promise<void>((resolve) => {
    upload.once('error', () => resolve());
    upload.once('response', (answer) => answer.resume().once('close', () => resolve()));
  });
  upload.flushHeaders();
  await once(upload, 'continue');
  upload.write('begun');
  expect(await api.process.stop(patienceMs)).toBe(0);
  await cut;
  client.close();
});
