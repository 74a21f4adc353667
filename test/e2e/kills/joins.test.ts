import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Client } from '../support/http-client.ts';
import { awaitJob } from '../support/jobs.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { createFolder, type TestFolder } from '../support/users.ts';
import { type KillingGround, openKillingGround, pidOf } from './killing-ground.ts';

const mib = 1024 ** 2;
/** Joined slice by slice, each recorded before the next, so that there is a middle to be hit. */
const partsTotal = 4;
const partBytes = 40 * mib;
/** Joining may be over before the kill. */
const roundsMax = 10;

let ground: KillingGround;
let client: Client;
let sql: KillingGround['sql'];
const content = randomBytes(partsTotal * partBytes);
beforeAll(async () => {
  ground = await openKillingGround();
  ({ client, sql } = ground);
}, 60_000);
afterAll(() => ground.close());

const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function sendPart(folder: TestFolder, index: number): Promise<string> {
  const made = await tus(client, 'POST', '/uploads', {
    headers: {
      'Upload-Metadata': metadataOf({ folder: folder.name }),
      'Upload-Length': String(partBytes),
      'Upload-Concat': 'partial',
    },
  });
  const url = String(made.headers.location);
  const bytes = content.subarray(index * partBytes, (index + 1) * partBytes);
  expect((await patch(client, url, 0, bytes)).status).toBe(204);
  return url;
}

/** Kills the worker that joins, once it has joined some and not all. @returns whether the kill hit */
async function killJoiner(jobId: string): Promise<boolean> {
  const joining = await eventually(
    async () => {
      const rows = await sql`
        SELECT jobs.lease_owner, jobs.state, (
            SELECT coalesce(sum((segment->>'bytes')::bigint), 0)::float8 FROM jsonb_array_elements(segments) AS segment
          ) AS left_bytes
        FROM jobs JOIN uploads ON uploads.job_id = jobs.id JOIN resumable_uploads ON upload_id = uploads.id
        WHERE jobs.id = ${jobId}`;
      const [row] = rows;
      if (row?.state !== 'succeeded') expect(row?.left_bytes).toBeLessThan(content.length);
      return row;
    },
    { everyMs: 1, timeoutMs: 60_000 },
  );
  if (joining?.state !== 'running' || !(await ground.killWorker(pidOf(joining.lease_owner)))) return false;
  const left = await sql`SELECT 1 FROM jobs WHERE id = ${jobId} AND state = 'running'`;
  await ground.addWorker();
  return left.length > 0;
}

/** @returns whether the kill hit */
async function joinUnderFire(): Promise<boolean> {
  const folder = await createFolder(client);
  const urls: string[] = [];
  for (let index = 0; index < partsTotal; index += 1) urls.push(await sendPart(folder, index));
  const final = await tus(client, 'POST', '/uploads', {
    headers: {
      'Upload-Metadata': metadataOf({ folder: folder.name, path: 'whole.bin' }),
      'Upload-Concat': `final;${urls.join(' ')}`,
      Prefer: 'respond-async',
    },
  });
  expect(final.status).toBe(202);
  const [job] = await sql`
    SELECT job_id FROM uploads JOIN resumable_uploads ON upload_id = uploads.id
    WHERE folder_id = ${folder.id} AND shape = 'final'`;
  const jobId = String(job?.job_id);
  const hasHit = await killJoiner(jobId);
  expect((await awaitJob(client, jobId, { timeoutMs: 60_000 })).state).toBe('succeeded');
  const area = folderDir(ground.volumeRoot, folder.id);
  expect(await readdir(join(area, 'data'))).toEqual(['whole.bin']);
  expect(digestOf(await readFile(join(area, 'data', 'whole.bin')))).toBe(digestOf(content));
  expect((await treeUsage(ground.volumeRoot, folder.id)).stage).toEqual({ bytes: 0, files: 0 });
  expect(await readUsage(client, folder.name)).toMatchObject({
    live: { bytes: content.length, files: 1 },
    reserved: { bytes: 0, files: 0 },
  });
  expect((await client.call('DELETE', folder.path())).status).toBe(204);
  return hasHit;
}

it('joins the parts of an upload to the last byte when its worker is killed in the middle of it', {
  timeout: 240_000,
}, async () => {
  let hits = 0;
  for (let round = 0; round < roundsMax && hits === 0; round += 1) {
    if (await joinUnderFire()) hits += 1;
  }
  expect(hits).toBe(1);
});
