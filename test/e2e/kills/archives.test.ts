import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Client, pathOf } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { textAt } from '../support/json.ts';
import { readTar } from '../support/tar.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createFolder, type TestFolder } from '../support/users.ts';
import { type KillingGround, openKillingGround, pidOf } from './killing-ground.ts';

const filesTotal = 300;
const fileBytes = 512 * 1024;
/** An archive may be complete before the kill. */
const roundsMax = 10;

let ground: KillingGround;
let client: Client;
let sql: KillingGround['sql'];
beforeAll(async () => {
  ground = await openKillingGround();
  ({ client, sql } = ground);
}, 60_000);
afterAll(() => ground.close());

/** Puts files where a container would. */
async function makeFolder(): Promise<{ readonly folder: TestFolder; readonly sums: Map<string, string> }> {
  const folder = await createFolder(client);
  const data = join(folderDir(ground.volumeRoot, folder.id), 'data');
  const sums = new Map<string, string>();
  await mkdir(join(data, 'd'));
  for (let at = 0; at < filesTotal; at += 1) {
    const bytes = randomBytes(fileBytes);
    await writeFile(join(data, 'd', `${at}.bin`), bytes);
    sums.set(`d/${at}.bin`, createHash('sha256').update(bytes).digest('hex'));
  }
  return { folder, sums };
}

async function ownerOf(jobId: string): Promise<number | undefined> {
  const rows = await sql`SELECT lease_owner FROM jobs WHERE id = ${jobId} AND state = 'running'`;
  const owner = rows[0]?.lease_owner;
  return owner === undefined || owner === null ? undefined : pidOf(owner);
}

/** Kills the worker that builds an archive as soon as it builds. @returns its pid, unless the job was over by then */
async function killBuilder(jobId: string): Promise<number | undefined> {
  const pid = await eventually(
    async () => {
      const owner = await ownerOf(jobId);
      expect(owner).toBeDefined();
      return owner;
    },
    { everyMs: 2 },
  );
  if (pid === undefined || !(await ground.killWorker(pid))) return undefined;
  await ground.addWorker();
  return (await ownerOf(jobId)) === pid ? pid : undefined;
}

it('hands the work of a worker that is killed to another within 30 seconds, and its result is whole', {
  timeout: 300_000,
}, async () => {
  const { folder, sums } = await makeFolder();
  let hits = 0;
  for (let round = 0; round < roundsMax && hits === 0; round += 1) {
    const asked = await client.call('POST', folder.path('archives'), {
      json: { files: ['d'], format: 'tar' },
    });
    expect(asked.status).toBe(202);
    const jobId = jobIdIn(asked.headers);
    const killed = await killBuilder(jobId);
    if (killed !== undefined) {
      hits += 1;
      await eventually(async () => expect(await ownerOf(jobId)).not.toBe(killed), { timeoutMs: 30_000 });
    }
    expect((await awaitJob(client, jobId, { timeoutMs: 120_000 })).state).toBe('succeeded');
    const { bytes } = await client.call('GET', pathOf('archives', textAt(asked.json, 'id')));
    const entries = readTar(bytes).filter(({ name }) => name.endsWith('.bin'));
    const found = entries.map(({ name, bytes: content }) => [
      name,
      createHash('sha256').update(content).digest('hex'),
    ]);
    expect(new Map(found.map(([name, sum]) => [String(name), String(sum)]))).toEqual(sums);
  }
  expect(hits).toBe(1);
});
