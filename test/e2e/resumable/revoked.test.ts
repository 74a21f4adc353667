import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { type Service, startService } from '../support/service.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, offsetOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, share, type TestFolder, type TestUser } from '../support/users.ts';

const mib = 1024 ** 2;
const content = randomBytes(40 * mib);

let service: Service;
let ada: TestUser;
let ben: TestUser;
let folder: TestFolder;
let sender: Client;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  ada = await createUser(service, 'ada');
  ben = await createUser(service, 'ben');
  folder = await createFolder(ada.client);
  await share(folder, ada.client, { user: ben, permission: 'rw' });
  sender = createClient(service.url, ben.keypair);
}, 60_000);
afterAll(async () => {
  sender?.close();
  await service?.stop();
});

const member = () => folder.path('members', ben.id);

it('is cut off when the right is taken away, and commits nothing beyond what was acknowledged', async () => {
  const made = await tus(ben.client, 'POST', '/uploads', {
    headers: {
      'Upload-Metadata': metadataOf({ folder: folder.id, path: 'late.bin' }),
      'Upload-Length': String(content.length),
    },
  });
  const url = String(made.headers.location);
  let goOn: () => void = () => undefined;
  const revoked = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  // All but the last byte, so that it would be complete the moment it may go on.
  const body = (async function* () {
    yield content.subarray(0, -1);
    await revoked;
    yield content.subarray(-1);
  })();
  const outcome = patch(sender, url, 0, body).then(
    ({ status }) => status,
    () => 'cut',
  );
  await eventually(async () => expect(await offsetOf(ben.client, url)).toBeGreaterThan(0));
  expect((await ada.client.call('PATCH', member(), { json: { perm: 'ro' } })).status).toBe(200);
  // Cut off while its client is silent: nobody has to send another byte for that.
  expect([404, 'cut']).toContain(await outcome);
  goOn();
  expect((await tus(ben.client, 'HEAD', url)).status).toBe(404);
  expect((await patch(ben.client, url, content.length - 1, content.subarray(-1))).status).toBe(404);
  const { live } = await readUsage(ada.client, folder.name);
  expect(live).toEqual({ bytes: 0, files: 0 });
  const file = await ada.client.call('HEAD', folder.path('files', 'late.bin'));
  expect(file.status).toBe(404);

  // With the right back it goes on where it was acknowledged to be.
  expect((await ada.client.call('PATCH', member(), { json: { perm: 'rw' } })).status).toBe(200);
  const offset = await offsetOf(ben.client, url);
  expect(offset).toBeLessThan(content.length);
  const rest = await patch(ben.client, url, offset, content.subarray(offset));
  expect(rest.status).toBe(204);
  const whole = await ada.client.call('GET', folder.path('files', 'late.bin'));
  expect(whole.bytes.equals(content)).toBe(true);
  expect((await treeUsage(service.volumeRoot, folder.id)).stage).toEqual({ bytes: 0, files: 0 });
});
