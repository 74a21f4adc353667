import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { createClient } from '../support/http-client.ts';
import { type Ground, layGround, prepareGround, startApi, startWorker } from '../support/service.ts';
import { folderDir, readUsage } from '../support/tree-usage.ts';
import { createFolder, upload } from '../support/users.ts';

const filesTotal = 400;

let ground: Ground;
let worker: TestProcess;
beforeAll(async () => {
  ground = await layGround({ backend: 'postgres' });
  await prepareGround(ground);
  worker = await startWorker(ground);
});
afterAll(async () => {
  await worker.stop(20_000);
  await ground.remove();
});

async function startedApi() {
  const api = await startApi(ground);
  return { ...api, administrator: createClient(api.url, ground.admin) };
}

/** The hold of the job would end by itself in a while. */
async function endHold(): Promise<void> {
  const sql = openSql(ground.databaseUrl);
  try {
    await sql`UPDATE jobs SET next_dispatch_at = now() WHERE kind = 'trash.purge' AND state = 'queued'`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

it('deletes every path of a request, or none, when the API is killed in the middle of it', async () => {
  const first = await startedApi();
  const folder = await createFolder(first.administrator);
  const names = Array.from({ length: filesTotal }, (_, index) => `f${index}`);
  await upload(first.administrator, folder, Object.fromEntries(names.map((name) => [name, 'x'])));
  const data = join(folderDir(ground.volumeRoot, folder.id), 'data');
  const asking = first.administrator
    .call('DELETE', folder.path('delete_files'), { json: { files: names } })
    .catch(() => undefined);
  await eventually(async () => expect((await readdir(data)).length).toBeLessThan(filesTotal), { everyMs: 1 });
  await first.process.kill();
  await asking;
  first.administrator.close();
  const left = (await readdir(data)).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(filesTotal);
  const second = await startedApi();
  await endHold();
  await eventually(async () => {
    const none = { bytes: 0, files: 0 };
    expect(await readdir(data)).toEqual([]);
    expect(await readUsage(second.administrator, folder.name)).toMatchObject({ live: none, trash: none });
  });
  second.administrator.close();
  await second.process.stop();
});
