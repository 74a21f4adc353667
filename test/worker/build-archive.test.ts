import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findArchive } from '../../db/queries/archives.ts';
import { findJob } from '../../db/queries/jobs.ts';
import { archives } from '../../db/schema/archives.ts';
import { folders } from '../../db/schema/folders.ts';
import { members } from '../../db/schema/members.ts';
import type { JobContext, JobOutcome } from '../../jobs/handler.ts';
import { archiveComponents } from '../../storage/posix/layout.ts';
import { buildArchive } from '../../worker/build-archive.ts';
import { expireArchives } from '../../worker/expire-archives.ts';
import {
  type DownloadService,
  type Reader,
  startDownloadService,
  type TestFolder,
} from '../api/downloads/download-service.ts';

let service: DownloadService;
let owner: Reader;
let folder: TestFolder;

beforeAll(async () => {
  service = await startDownloadService();
  owner = await service.signUp();
  folder = await service.createFolder(owner, 'data');
  for (let index = 0; index < 20; index += 1) await folder.write(`tree/f${index}`, randomBytes(100_000));
});

afterAll(() => service.close());

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

function workerServices() {
  const { database, volume, jobs } = service;
  return { db: database.db, volumes: new Map([['local', volume]]), jobs, logger };
}

type Build = JobContext<'archive.build'>;

/** The handler's view of a job, without the engine: what it does may then be repeated and interrupted at will. */
function contextOf(
  id: string,
  changes: { signal?: AbortSignal; onReport?: () => void; files?: string[] } = {},
): Build {
  return {
    job: {
      id,
      kind: 'archive.build',
      volume: 'local',
      folderId: folder.id,
      actorId: owner.userId,
      payload: { files: changes.files ?? ['tree'], format: 'zip', fileName: 'tree.zip' },
      attempt: 0,
      isLastAttempt: false,
      trace: undefined,
      checkpoint: null,
    },
    claim: { id, fence: 1 },
    signal: changes.signal ?? new AbortController().signal,
    report: () => changes.onReport?.(),
    fenced: (change) => service.database.db.transaction(change),
    step: (_name, work) => work(),
  };
}

async function settle(outcome: JobOutcome): Promise<void> {
  await service.database.db.transaction(async (tx) => outcome.settle?.(tx));
}

/** Names of the files, whole and partial, that the volume holds of an archive. */
async function filesOf(archiveId: string): Promise<string[]> {
  const [shelf] = archiveComponents(archiveId);
  const names = await readdir(join(service.root, 'a', shelf)).catch(() => []);
  return names.filter((name) => name.startsWith(archiveId));
}

function expire(): Promise<JobOutcome> {
  return expireArchives(workerServices()).run({
    ...contextOf(randomUUID()),
    job: { ...contextOf(randomUUID()).job, kind: 'archives.expire', payload: {} },
  });
}

describe('archive.build', () => {
  it('has the effect of once when it runs twice', async () => {
    const id = randomUUID();
    const handler = buildArchive(workerServices());
    await settle(await handler.run(contextOf(id)));
    const second = await handler.run(contextOf(id));
    await settle(second);
    expect(await filesOf(id)).toEqual([id]);
    const row = await findArchive(service.database.db, { archiveId: id, userId: owner.userId });
    expect(row?.sizeBytes).toBe(await service.volume.openArchive(id).then(sizeAndClose));
    expect(second.result).toMatchObject({ sha256: row?.sha256, size: row?.sizeBytes, entries: 21 });
  });

  it('leaves nothing behind when it is cancelled half-way', async () => {
    const id = randomUUID();
    const cancel = new AbortController();
    const reason = new Error('cancelled');
    const context = contextOf(id, { signal: cancel.signal, onReport: () => cancel.abort(reason) });
    await expect(buildArchive(workerServices()).run(context)).rejects.toBe(reason);
    expect(await filesOf(id)).toEqual([]);
  });

  it('fails for good when a chosen entry is gone or the right was taken away', async () => {
    const run = (changes: Parameters<typeof contextOf>[1]) =>
      buildArchive(workerServices()).run(contextOf(randomUUID(), changes));
    await expect(run({ files: ['tree', 'gone'] })).rejects.toMatchObject({ code: 'entry_not_found' });
    const { db } = service.database;
    await db
      .update(members)
      .set({ userId: (await service.signUp()).userId })
      .where(eq(members.folderId, folder.id));
    await expect(run({})).rejects.toMatchObject({ code: 'not_found' });
    await db.update(members).set({ userId: owner.userId }).where(eq(members.folderId, folder.id));
  });

  it('is cancelled through the queue and leaves no file', async () => {
    const id = await service.jobs.enqueue(service.database.db, {
      kind: 'archive.build',
      payload: { files: ['tree'], format: 'zip', fileName: 'x.zip' },
      volume: 'local',
      folderId: folder.id,
      actorId: owner.userId,
      holdMs: 600_000,
    });
    await service.jobs.cancel(id);
    await service.jobs.wait(id, { timeoutMs: 15_000 });
    expect(await findJob(service.database.db, { jobId: id, actorId: null })).toMatchObject({
      state: 'cancelled',
    });
    expect(await filesOf(id)).toEqual([]);
  });
});

describe('archives.expire', () => {
  it('removes expired archives and those of deleted folders, row and file, and keeps the others', async () => {
    const { db } = service.database;
    const other = await service.createFolder(owner);
    const ids = { expired: randomUUID(), orphaned: randomUUID(), kept: randomUUID() };
    for (const id of Object.values(ids))
      await settle(await buildArchive(workerServices()).run(contextOf(id)));
    await db.update(archives).set({ expiresAt: sql`now()` }).where(eq(archives.id, ids.expired));
    await db.update(archives).set({ folderId: other.id }).where(eq(archives.id, ids.orphaned));
    await db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, other.id));
    expect((await expire()).result).toMatchObject({ expired: 2 });
    expect(await filesOf(ids.expired)).toEqual([]);
    expect(await filesOf(ids.orphaned)).toEqual([]);
    expect(await filesOf(ids.kept)).toEqual([ids.kept]);
    const rows = await db.select({ id: archives.id }).from(archives);
    expect(rows.map(({ id }) => id)).not.toContain(ids.expired);
    expect(rows.map(({ id }) => id)).toContain(ids.kept);
  });

  it('removes old files without a row, and neither young ones nor those of an unfinished job', async () => {
    const { db } = service.database;
    const young = randomUUID();
    const old = randomUUID();
    const building = await service.jobs.enqueue(db, {
      kind: 'archive.build',
      payload: { files: ['tree'], format: 'zip', fileName: 'x.zip' },
      volume: 'local',
      folderId: folder.id,
      actorId: owner.userId,
      holdMs: 600_000,
    });
    for (const id of [young, old, building]) await leavePartial(id);
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
    for (const id of [old, building]) {
      const [shelf] = archiveComponents(id);
      for (const name of await filesOf(id))
        await utimes(join(service.root, 'a', shelf, name), longAgo, longAgo);
    }
    expect((await expire()).result).toMatchObject({ leftovers: 1 });
    expect(await filesOf(old)).toEqual([]);
    expect(await filesOf(young)).toHaveLength(1);
    expect(await filesOf(building)).toHaveLength(1);
    await service.jobs.cancel(building);
  });
});

/** A part file as a killed worker leaves it. */
async function leavePartial(id: string): Promise<void> {
  const [shelf, name] = archiveComponents(id);
  await mkdir(join(service.root, 'a', shelf), { recursive: true });
  await writeFile(
    join(service.root, 'a', shelf, `${name}.${randomBytes(8).toString('hex')}.part`),
    'partial',
  );
}

async function sizeAndClose(
  file: Awaited<ReturnType<DownloadService['volume']['openArchive']>>,
): Promise<number> {
  await file.close();
  return file.stat.sizeBytes;
}
