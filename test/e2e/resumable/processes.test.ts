import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Upload } from 'tus-js-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { type Client, createClient, pathOf } from '../support/http-client.ts';
import {
  type ApiProcess,
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startWorker,
} from '../support/service.ts';
import { basicHeader } from '../support/signature.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, offsetOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, type TestFolder, type TestUser } from '../support/users.ts';

const mib = 1024 ** 2;
const none = { bytes: 0, files: 0 };

let ground: Ground;
let apis: ApiProcess[] = [];
let worker: TestProcess | undefined;
let ada: TestUser;
let folder: TestFolder;
const clients: Client[] = [];

function clientOf(api: ApiProcess | undefined): Client {
  const client = createClient(api?.url ?? '', ada.keypair);
  clients.push(client);
  return client;
}

beforeAll(async () => {
  ground = await layGround({ backend: 'postgres' });
  await prepareGround(ground);
  apis = await Promise.all([startApi(ground), startApi(ground)]);
  worker = await startWorker(ground);
  const url = apis[0]?.url ?? '';
  ada = await createUser({
    administrator: createClient(url, ground.admin),
    client: (keypair) => createClient(url, keypair),
  });
  folder = await createFolder(ada.client);
});
afterAll(async () => {
  for (const client of clients) client.close();
  await Promise.all([...apis.map((api) => api.process.stop()), worker?.stop()]);
  await ground.remove();
});

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function expectFile(client: Client, path: string, content: Buffer): Promise<void> {
  const answer = await client.call('GET', folder.path('files') + pathOf(...path.split('/')));
  expect(answer.status).toBe(200);
  expect(digestOf(answer.bytes)).toBe(digestOf(content));
}

async function expectNothingStaged(client: Client): Promise<void> {
  expect((await treeUsage(ground.volumeRoot, folder.id)).stage).toEqual(none);
  expect((await readUsage(client, folder.name)).reserved).toEqual(none);
}

async function begin(client: Client, path: string, lengthBytes: number): Promise<string> {
  const made = await tus(client, 'POST', '/uploads', {
    headers: {
      'Upload-Metadata': metadataOf({ folder: folder.name, path }),
      'Upload-Length': String(lengthBytes),
    },
  });
  expect(made.status).toBe(201);
  return String(made.headers.location);
}

/** Uploads as browsers and tools do. */
function uploadByClient(
  content: Buffer,
  options: ConstructorParameters<typeof Upload>[1] & { readonly api: ApiProcess | undefined },
): Promise<void> {
  const { api, ...rest } = options;
  return new Promise((resolve, reject) => {
    const upload = new Upload(content, {
      ...(rest.uploadUrl === undefined ? { endpoint: `${api?.url}/uploads` } : {}),
      headers: { Authorization: basicHeader(ada.keypair) },
      retryDelays: [0, 500, 1000],
      ...rest,
      onSuccess: () => resolve(),
      onError: reject,
    });
    upload.start();
  });
}

it.each(['a b.bin', '50% "q" \\.bin', '데이터 +1.bin', `${'é'.repeat(127)}x`, 'd/e/ .bin'])(
  'takes a file named %j from tus-js-client, in chunks and in parallel parts',
  async (path) => {
    const content = randomBytes(3 * mib + 17);
    const metadata = { folder: folder.name, path };
    await uploadByClient(content, { api: apis[0], metadata, chunkSize: mib });
    await expectFile(ada.client, path, content);
    const other = randomBytes(2 * mib + 5);
    await uploadByClient(other, {
      api: apis[1],
      metadata,
      parallelUploads: 3,
      metadataForPartialUploads: { folder: folder.name },
    });
    await expectFile(ada.client, path, other);
    await expectNothingStaged(ada.client);
  },
);

it('takes parallel parts from a client that sends no metadata with them', async () => {
  const content = randomBytes(mib);
  await uploadByClient(content, {
    api: apis[0],
    endpoint: `${apis[0]?.url}/uploads?folder=${folder.name}`,
    metadata: { path: 'by query' },
    parallelUploads: 2,
  });
  await expectFile(ada.client, 'by query', content);
});

/** A body that sends bytes and then stays open until it is told to go on. */
function heldBody(parts: readonly Buffer[], goOn: Promise<unknown>): AsyncIterable<Uint8Array> {
  return (async function* () {
    yield parts[0] ?? Buffer.alloc(0);
    await goOn;
    yield* parts.slice(1);
  })();
}

it('goes on through another process after one is killed in the middle of a request', async () => {
  const content = randomBytes(70 * mib);
  const [first, second] = await Promise.all([startApi(ground), startApi(ground)]);
  apis.push(first, second);
  const url = await begin(clientOf(first), 'killed.bin', content.length);
  const never = new Promise(() => undefined);
  const broken = patch(clientOf(first), url, 0, heldBody([content.subarray(0, 50 * mib)], never)).then(
    () => 'answered',
    () => 'broken',
  );
  await eventually(async () => expect(await offsetOf(ada.client, url)).toBeGreaterThanOrEqual(32 * mib));
  await first.process.kill();
  expect(await broken).toBe('broken');
  await uploadByClient(content, { api: second, uploadUrl: `${second.url}${url}` });
  await expectFile(ada.client, 'killed.bin', content);
  await expectNothingStaged(ada.client);
});

it('never reads what a process writes that was taken for dead', async () => {
  const content = randomBytes(70 * mib);
  const first = await startApi(ground);
  apis.push(first);
  const url = await begin(clientOf(first), 'frozen.bin', content.length);
  let thaw: (value: unknown) => void = () => undefined;
  const thawed = new Promise((resolve) => {
    thaw = resolve;
  });
  const wrong = Buffer.alloc(30 * mib, 'wrong');
  const late = patch(clientOf(first), url, 0, heldBody([content.subarray(0, 40 * mib), wrong], thawed)).then(
    (answer) => answer.status,
    () => 0,
  );
  await eventually(async () => expect(await offsetOf(ada.client, url)).toBeGreaterThanOrEqual(32 * mib));
  first.process.signal('SIGSTOP');
  thaw(undefined);
  const offset = await offsetOf(ada.client, url);
  const taken = await patch(ada.client, url, offset, content.subarray(offset, 60 * mib));
  expect(taken.status).toBe(204);
  first.process.signal('SIGCONT');
  expect([0, 409, 423]).toContain(await late);
  expect(await offsetOf(ada.client, url)).toBe(60 * mib);
  expect((await patch(ada.client, url, 60 * mib, content.subarray(60 * mib))).status).toBe(204);
  await expectFile(ada.client, 'frozen.bin', content);
  await expectNothingStaged(ada.client);
});

it('lets a writer that receives bytes keep its upload from another process', async () => {
  const url = await begin(ada.client, 'busy.bin', 40 * mib);
  const content = randomBytes(40 * mib);
  let hasBegun: (value: unknown) => void = () => undefined;
  const begun = new Promise((resolve) => {
    hasBegun = resolve;
  });
  // A client that takes its time, so that the other one comes while it sends.
  const slowly = (async function* () {
    for (let at = 0; at < content.length; at += mib) {
      yield content.subarray(at, at + mib);
      await delay(100);
      hasBegun(undefined);
    }
  })();
  const busy = patch(clientOf(apis[0]), url, 0, slowly);
  await begun;
  const refused = await patch(clientOf(apis[1]), url, 0, Buffer.from('x'));
  expect([409, 423]).toContain(refused.status);
  expect((await busy).status).toBe(204);
  await expectFile(ada.client, 'busy.bin', content);
});
