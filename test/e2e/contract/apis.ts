import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestProcess } from '../../support/process.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import {
  type ApiProcess,
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startWorker,
} from '../support/service.ts';
import { createFolder, createUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import type { Stage } from './stage.ts';

/** Several API processes and a worker, started one by one as in a cluster, are one service. */
export function describeApis(stage: Stage): void {
  let ground: Ground;
  let apis: readonly ApiProcess[] = [];
  let worker: TestProcess | undefined;
  beforeAll(async () => {
    ground = await layGround({ backend: stage.backend });
    await prepareGround(ground);
    apis = await Promise.all([startApi(ground), startApi(ground)]);
    worker = await startWorker(ground);
  });
  afterAll(async () => {
    const ends = await Promise.all([...apis.map((api) => api.process.stop()), worker?.stop()]);
    await ground?.remove();
    expect(ends).toEqual([0, 0, 0]);
  });

  it('knows at once through one API what was done through another', async () => {
    const [first, second] = apis.map((api) => api.url);
    const connect = (url = '') => ({
      administrator: createClient(url, ground.admin),
      client: (keypair: Client['keypair']) => createClient(url, keypair),
    });
    const ada = await createUser(connect(first), 'ada');
    const other = createClient(second ?? '', ada.keypair);
    const folder = await createFolder(ada.client);
    await upload(other, folder, { a: '1' });
    expectStatus(await ada.client.call('GET', folder.path('files', 'a')), 200);
    const asked = await ada.client.call('POST', folder.path('recalculate'), {
      headers: { Prefer: 'respond-async' },
    });
    expect(await awaitJob(other, jobIdIn(asked.headers))).toMatchObject({ state: 'succeeded' });
    expectProblem(
      await other.call('POST', '/folders', { json: { name: folder.name } }),
      400,
      'folder_name_taken',
    );
    expectStatus(await other.call('DELETE', folder.path()), 204);
    expectProblem(await ada.client.call('GET', folder.path()), 404, 'not_found');
    for (const client of [ada.client, other]) client.close();
  });

  it('lets exactly one of two APIs give a name away', async () => {
    const keypair = ground.admin;
    const clients = apis.map((api) => createClient(api.url, keypair));
    const calls = clients.flatMap((client) =>
      Array.from({ length: 5 }, () => client.call('POST', '/folders', { json: { name: 'one' } })),
    );
    const statuses = (await Promise.all(calls)).map(({ status }) => status).toSorted();
    expect(statuses).toEqual([201, ...Array.from({ length: 9 }, () => 400)]);
    for (const client of clients) client.close();
  });
}
