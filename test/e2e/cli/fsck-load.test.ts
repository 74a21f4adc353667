import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { startProcess } from '../../support/process.ts';
import type { Client } from '../support/http-client.ts';
import { jobIdIn } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, type TestFolder } from '../support/users.ts';
import { age, type FsckStage, makeFsckStage, placeOf, runFsck, strangeId } from './fsck-stage.ts';

async function succeededKinds(url: string): Promise<ReadonlySet<string>> {
  const sql = openSql(url);
  try {
    const rows = await sql.unsafe("SELECT DISTINCT kind FROM jobs WHERE state = 'succeeded'");
    return new Set(rows.map((row) => String(row.kind)));
  } finally {
    await sql.end({ timeout: 5 });
  }
}

describe('vfolder admin fsck beside a service at work', () => {
  let service: Service;
  let client: Client;
  beforeAll(async () => {
    service = await startService({ backend: 'postgres', workers: 2 });
    ({ client } = await createUser(service));
  });
  afterAll(() => service.stop());

  const bytesOf = (count: number) => Buffer.alloc(1 + ((count * 977) % 60_000), count);

  /** Uploads over the same few names, and deletes some of them; nothing of it waits for its job. */
  async function changeFiles(folder: TestFolder, count: number): Promise<void> {
    const parts = [0, 1, 2].map((n) => ({ fileName: `d${count % 3}/f${n}`, bytes: bytesOf(count + n) }));
    await client.call('POST', folder.path('upload'), { parts, headers: { Prefer: 'respond-async' } });
    if (count % 2 === 0) await client.call('POST', folder.path('upload'), { parts: parts.slice(0, 2) });
    const json = { files: [`d${(count + 1) % 3}`], recursive: true };
    await client.call('DELETE', folder.path('delete_files'), { json });
  }

  async function sendInPieces(folder: TestFolder, count: number): Promise<void> {
    const made = await tus(client, 'POST', '/uploads', {
      headers: {
        'Upload-Length': '4000',
        'Upload-Metadata': metadataOf({ folder: folder.name, path: `pieces/${count % 4}` }),
      },
    });
    const { pathname } = new URL(made.headers.location ?? '', 'http://service');
    await patch(client, pathname, 0, Buffer.alloc(1_500, count));
    if (count % 3 === 0) await tus(client, 'DELETE', pathname);
    else await patch(client, pathname, 1_500, Buffer.alloc(2_500, count));
  }

  async function passFolder(count: number): Promise<void> {
    const folder = await createFolder(client);
    await client.call('POST', folder.path('upload'), { parts: [{ fileName: 'a/b', bytes: bytesOf(count) }] });
    await client.call('DELETE', folder.path());
  }

  async function buildArchive(folder: TestFolder): Promise<void> {
    const json = { files: ['.'], format: 'zip' };
    const answer = await client.call('POST', folder.path('archives'), { json });
    if (answer.status !== 202) return;
    const id = jobIdIn(answer.headers);
    await client.call('GET', `/jobs/${id}`, { headers: { Prefer: 'wait=10' } });
    await client.call('DELETE', `/archives/${id}`);
  }

  it('tells nothing while files, uploads, archives and folders come and go, nor when they rest', async () => {
    const shared = [await createFolder(client), await createFolder(client)] as const;
    let isOver = false;
    let rounds = 0;
    const loop = async (step: (count: number) => Promise<void>) => {
      for (let count = 0; !isOver; count += 1) {
        await step(count);
        rounds += 1;
      }
    };
    const loads = Promise.all([
      loop((count) => changeFiles(shared[0], count)),
      loop((count) => changeFiles(shared[1], count)),
      loop((count) => sendInPieces(shared[0], count)),
      loop(passFolder),
      loop(() => buildArchive(shared[1])),
    ]);
    const runs = [];
    try {
      for (let run = 0; run < 6; run += 1) runs.push(await runFsck(service.env));
    } finally {
      isOver = true;
      await loads;
    }
    for (const { code, findings } of runs) {
      expect({ code, faults: findings.filter(({ level }) => level === 'fault') }).toEqual({
        code: 0,
        faults: [],
      });
    }
    expect(rounds).toBeGreaterThan(20);
    const done = await succeededKinds(service.databaseUrl);
    const kinds = ['upload.commit', 'trash.purge', 'folder.purge', 'archive.build'];
    expect(kinds.filter((kind) => !done.has(kind))).toEqual([]);
    const { code, findings } = await runFsck(service.env);
    expect({ code, faults: findings.filter(({ level }) => level === 'fault') }).toEqual({
      code: 0,
      faults: [],
    });
  });
});

describe('vfolder admin fsck --fix', () => {
  let stage: FsckStage;
  beforeAll(async () => {
    stage = await makeFsckStage();
  });
  afterAll(() => stage.stop());

  it('goes on with what a run left that was killed, and loses nothing of what it sets aside', async () => {
    const ids = Array.from({ length: 60 }, strangeId);
    for (const id of ids) {
      const place = placeOf(stage.ground, id);
      await mkdir(join(place, 'data'), { recursive: true });
      await writeFile(join(place, 'data', 'kept'), id);
      await age(place);
    }
    const drifted = await stage.folder();
    await writeFile(join(drifted.dir, 'data', 'x'), 'x');
    const first = await startProcess({
      program: 'upkeep/main.js',
      args: ['fsck', '--fix'],
      env: stage.ground.env,
      ready: /folder_orphaned/,
    });
    await first.kill();
    const lost = join(stage.ground.volumeRoot, 'lost');
    const before = (await readdir(lost)).length;
    expect(before).toBeGreaterThan(0);

    const again = await stage.fsck('--fix');
    expect(again.code).toBe(0);
    const orphans = again.findings.filter(({ code }) => code === 'folder_orphaned');
    expect(orphans.every(({ outcome }) => outcome === 'fixed')).toBe(true);
    expect((await readdir(lost)).toSorted()).toEqual(ids.toSorted());
    for (const id of ids) {
      expect((await readdir(join(lost, id))).toSorted()).toEqual(['folder', 'note.json']);
      expect(await readdir(join(lost, id, 'folder', 'data'))).toEqual(['kept']);
    }
    const { code, summary } = await stage.fsck();
    expect({ code, faults: summary.faults, notes: summary.notes }).toEqual({ code: 0, faults: 0, notes: 60 });
  });
});
