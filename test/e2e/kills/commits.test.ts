import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Client } from '../support/http-client.ts';
import { folderDir, readUsage } from '../support/tree-usage.ts';
import { createFolder } from '../support/users.ts';
import { type KillingGround, openKillingGround, pidOf } from './killing-ground.ts';

const filesTotal = 600;
/** A commit may be over before the kill. */
const roundsMax = 10;

let ground: KillingGround;
let client: Client;
let sql: KillingGround['sql'];
beforeAll(async () => {
  ground = await openKillingGround();
  ({ client, sql } = ground);
}, 60_000);
afterAll(() => ground.close());

/** Kills the worker that runs a commit. @returns whether it was still running then */
async function killCommitter(): Promise<boolean> {
  const rows = await sql`SELECT id, lease_owner FROM jobs WHERE kind = 'upload.commit' AND state = 'running'`;
  if (!(await ground.killWorker(pidOf(rows[0]?.lease_owner)))) return false;
  const left = await sql`SELECT 1 FROM jobs WHERE id = ${String(rows[0]?.id)} AND state = 'running'`;
  await ground.addWorker();
  return left.length > 0;
}

/** @returns whether the kill hit */
async function uploadUnderFire(): Promise<boolean> {
  const folder = await createFolder(client);
  const data = join(folderDir(ground.volumeRoot, folder.id), 'data');
  const parts = Array.from({ length: filesTotal }, (_, index) => ({ fileName: `f${index}`, bytes: 'xy' }));
  const answering = client.call('POST', folder.path('upload'), { parts });
  await eventually(async () => expect(await readdir(data)).not.toEqual([]), {
    everyMs: 1,
    timeoutMs: 60_000,
  });
  const hasHit = await killCommitter();
  expect((await answering).status).toBe(201);
  expect(await readUsage(client, folder.name)).toMatchObject({
    live: { bytes: 2 * filesTotal, files: filesTotal },
    reserved: { bytes: 0, files: 0 },
  });
  return hasHit;
}

it('answers 201 to an upload whose worker is killed in the middle of the commit', {
  timeout: 120_000,
}, async () => {
  let hits = 0;
  for (let round = 0; round < roundsMax && hits === 0; round += 1) {
    if (await uploadUnderFire()) hits += 1;
  }
  expect(hits).toBe(1);
});

/** Kills the worker that runs most commits. @returns how many of them it left running */
async function killBusiest(): Promise<number> {
  const rows = await eventually(
    async () => {
      const running = await sql`
        SELECT lease_owner FROM jobs WHERE kind = 'upload.commit' AND state = 'running'
        GROUP BY lease_owner HAVING count(*) > 1 ORDER BY count(*) DESC`;
      expect(running).not.toHaveLength(0);
      return running;
    },
    { everyMs: 1, timeoutMs: 60_000 },
  );
  const owner = String(rows[0]?.lease_owner);
  if (!(await ground.killWorker(pidOf(owner)))) return 0;
  const left = await sql`SELECT 1 FROM jobs WHERE state = 'running' AND lease_owner = ${owner}`;
  await ground.addWorker();
  return left.length;
}

/** @returns how many commits the kill hit */
async function uploadTogetherUnderFire(): Promise<number> {
  const folder = await createFolder(client);
  const names = Array.from({ length: 60 }, (_, index) => `d${index % 5}/f${index}`);
  const answering = names.map((fileName) =>
    client.call('POST', folder.path('upload'), { parts: [{ fileName, bytes: fileName }] }),
  );
  const hits = await killBusiest();
  expect((await Promise.all(answering)).map(({ status }) => status)).toEqual(names.map(() => 201));
  const data = join(folderDir(ground.volumeRoot, folder.id), 'data');
  for (const name of names) expect(await readFile(join(data, name), 'utf8')).toBe(name);
  expect(await readUsage(client, folder.name)).toMatchObject({
    live: { bytes: names.join('').length, files: names.length },
    reserved: { bytes: 0, files: 0 },
  });
  return hits;
}

it('loses none of the uploads that are committed together and counts none twice when their worker is killed', {
  timeout: 240_000,
}, async () => {
  let hits = 0;
  for (let round = 0; round < roundsMax && hits < 2; round += 1) hits += await uploadTogetherUnderFire();
  expect(hits).toBeGreaterThanOrEqual(2);
});
