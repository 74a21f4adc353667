import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { claimPaths, noteClaimedEntries, retireClaims } from '../../db/queries/path-claims.ts';
import { reserveUpload } from '../../db/queries/uploads.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { uploads } from '../../db/schema/uploads.ts';
import type { JobKind } from '../../domain/job.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import type { NewJob } from '../../jobs/job-client.ts';
import type { TestDatabase } from '../support/database.ts';
import { runToEnd } from './run-now.ts';
import { countersOf, entryPath, type WorkStage } from './work-stage.ts';

/** The files that every scenario begins with. */
export const initialFiles: Readonly<Record<string, string>> = {
  x: 'old x',
  'd/y': 'old y',
  'd/e/z': 'old z',
};

/** A folder in a known state, and work on it that is recorded but has not run. */
export interface Scenario {
  readonly name: string;
  readonly kind: JobKind;
  /** Files in view once the work is done; without it, those of before. */
  readonly after?: Readonly<Record<string, string>>;
  /** @returns the job */
  arrange(stage: WorkStage, database: TestDatabase): Promise<string>;
}

/** Brings the folder back to {@link initialFiles}, whatever the work before left. */
export async function resetFolder(stage: WorkStage, { db }: TestDatabase): Promise<void> {
  await db.delete(pathClaims).where(sql`true`);
  await db.delete(uploads).where(sql`true`);
  await db.execute(sql`DELETE FROM archives`);
  await db.delete(jobs).where(sql`true`);
  for (const area of ['data', 'stage', 'trash']) {
    await rm(join(stage.folderRoot, area), { recursive: true, force: true });
    await mkdir(join(stage.folderRoot, area), { recursive: true });
  }
  for (const [path, content] of Object.entries(initialFiles)) {
    await mkdir(dirname(join(stage.folderRoot, 'data', path)), { recursive: true });
    await writeFile(join(stage.folderRoot, 'data', path), content);
  }
  const usedBytes = Object.values(initialFiles).reduce((sum, content) => sum + content.length, 0);
  const nothing = { trashBytes: 0, trashFiles: 0, reservedBytes: 0, reservedFiles: 0 };
  const usedFiles = Object.keys(initialFiles).length;
  await db
    .update(folders)
    .set({ state: 'active', usedBytes, usedFiles, ...nothing })
    .where(eq(folders.id, stage.folderId));
}

function enqueue<K extends JobKind>(
  stage: WorkStage,
  { db }: TestDatabase,
  job: Pick<NewJob<K>, 'kind' | 'payload'> & { readonly id?: string },
): Promise<string> {
  const { folderId, ownerId: actorId } = stage;
  // Held, so that no reconciler gets in the way.
  return stage.client.enqueue(db, { volume: 'local', folderId, actorId, holdMs: 3_600_000, ...job });
}

/** Does what the API does until it has taken the first `count` of `paths`; with all of them it comes to its end. */
async function beginDelete(
  stage: WorkStage,
  database: TestDatabase,
  paths: readonly string[],
  count: number,
): Promise<string> {
  const jobId = uuidv7();
  const { folderId, volume } = stage;
  await enqueue(stage, database, { id: jobId, kind: 'trash.purge', payload: { trashId: jobId } });
  const found = await Promise.all(paths.map((path) => volume.stat(folderId, entryPath(path))));
  const entries = paths.map((path, slot) => ({ path, slot, identity: found[slot]?.identity ?? '' }));
  await claimPaths(database.db, { folderId, jobId, paths });
  await noteClaimedEntries(database.db, { folderId, jobId, entries });
  await volume.createTrash(folderId, jobId);
  for (const { path, slot } of entries.slice(0, count)) {
    await volume.trashEntry(folderId, entryPath(path), jobId, slot);
  }
  if (count === paths.length) await retireClaims(database.db, { folderId, jobId });
  return jobId;
}

async function stageHeld(
  stage: WorkStage,
  { db }: TestDatabase,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const { jobId } = await stage.stageUpload(files);
  await db.update(jobs).set({ nextDispatchAt: sql`now() + interval '1 hour'` }).where(eq(jobs.id, jobId));
  return jobId;
}

/** Files that take the next free names when their own are taken. */
async function arrangeWrite(
  stage: WorkStage,
  database: TestDatabase,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const jobId = await stageHeld(stage, database, files);
  const condition = JSON.stringify({ condition: { ifExists: 'rename' } });
  await database.db
    .update(jobs)
    .set({ payload: sql`payload || ${condition}::jsonb` })
    .where(eq(jobs.id, jobId));
  return jobId;
}

async function abandonUpload(stage: WorkStage, { db }: TestDatabase): Promise<void> {
  const id = uuidv7();
  const { folderId, ownerId: actorId } = stage;
  await reserveUpload(db, { id, folderId, actorId, amount: { bytes: 5, files: 1 } });
  const writer = await stage.volume.createStage(folderId, stageIdOf(id, 0));
  await writer.write(Buffer.from('12345'));
  await writer.finish();
  await db.update(uploads).set({ leaseUntil: sql`now() - interval '1 second'` }).where(eq(uploads.id, id));
}

const uploaded = { 'new/a': 'new a', 'new/b/c': 'new c', f: 'new f' };
const overwriting = { x: 'new and longer x', 'd/y': 'new y', 'd/e/n': 'new n' };

/** One piece of work of every kind that changes or reads a folder's tree or its accounts. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'uploading new files',
    kind: 'upload.commit',
    after: { ...initialFiles, ...uploaded },
    arrange: (stage, database) => stageHeld(stage, database, uploaded),
  },
  {
    name: 'overwriting files',
    kind: 'upload.commit',
    after: { ...initialFiles, ...overwriting },
    arrange: (stage, database) => stageHeld(stage, database, overwriting),
  },
  {
    name: 'finishing a delete',
    kind: 'trash.purge',
    after: {},
    arrange: (stage, database) => beginDelete(stage, database, ['x', 'd'], 1),
  },
  {
    name: 'purging',
    kind: 'trash.purge',
    after: { x: 'old x' },
    arrange: (stage, database) => beginDelete(stage, database, ['d'], 1),
  },
  {
    name: 'moving',
    kind: 'entry.move',
    after: { x: 'old x', 'm/y': 'old y', 'm/e/z': 'old z' },
    arrange: (stage, database) =>
      enqueue(stage, database, { kind: 'entry.move', payload: { from: 'd', to: 'm', into: true } }),
  },
  {
    name: 'copying',
    kind: 'entries.copy',
    after: { ...initialFiles, 'c/y': 'old y', 'c/e/z': 'old z' },
    arrange: (stage, database) =>
      enqueue(stage, database, { kind: 'entries.copy', payload: { from: 'd', to: 'c', into: true } }),
  },
  {
    name: 'a write under a condition',
    kind: 'upload.commit',
    after: { ...initialFiles, 'x (2)': 'new x' },
    arrange: (stage, database) => arrangeWrite(stage, database, { x: 'new x' }),
  },
  {
    name: 'a form of which some names are taken',
    kind: 'upload.commit',
    after: { ...initialFiles, 'x (2)': 'second', 'x (3)': 'first', 'd (2)': 'third', 'd/y (2)/n': 'fourth' },
    arrange: (stage, database) =>
      arrangeWrite(stage, database, { x: 'first', 'x (2)': 'second', d: 'third', 'd/y (2)/n': 'fourth' }),
  },
  {
    name: 'archiving',
    kind: 'archive.build',
    arrange: (stage, database) =>
      enqueue(stage, database, {
        kind: 'archive.build',
        payload: { files: ['x', 'd'], format: 'tar', fileName: 'a.tar' },
      }),
  },
  {
    name: 'recounting',
    kind: 'usage.measure',
    arrange: async (stage, database) => {
      await database.db
        .update(folders)
        .set({ usedBytes: 1, trashFiles: 7 })
        .where(eq(folders.id, stage.folderId));
      return enqueue(stage, database, { kind: 'usage.measure', payload: {} });
    },
  },
  {
    name: 'expiring uploads',
    kind: 'uploads.expire',
    arrange: async (stage, database) => {
      await abandonUpload(stage, database);
      return enqueue(stage, database, { kind: 'uploads.expire', payload: {} });
    },
  },
];

/** Files in view with their content, by path. */
export async function readTree(stage: WorkStage): Promise<Record<string, string>> {
  const root = join(stage.folderRoot, 'data');
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path.slice(root.length + 1)] = await readFile(path, 'utf8');
  }
  return found;
}

/** Entries in the trash. An empty directory that a late run left there is the sweeper's. */
async function countTrashed(stage: WorkStage): Promise<number> {
  let slots = 0;
  for (const { id } of await stage.volume.listTrash(stage.folderId)) {
    slots += (await readdir(join(stage.folderRoot, 'trash', id))).length;
  }
  return slots;
}

/** Everything that must not depend on how often, how late or by how many the work was done. */
export async function stateOf(stage: WorkStage, { db }: TestDatabase) {
  return {
    tree: await readTree(stage),
    staged: (await readdir(join(stage.folderRoot, 'stage'))).length,
    trashed: await countTrashed(stage),
    counters: await countersOf(stage),
    claims: (await db.select().from(pathClaims)).length,
    archives: (await db.execute(sql`SELECT id FROM archives`)).length,
  };
}

/** Lets everything come to rest: leases end, the reaper comes by, and jobs that others asked for are run. */
export async function comeToRest(stage: WorkStage, database: TestDatabase): Promise<void> {
  const { db } = database;
  const handlers = stage.handlers();
  await db
    .update(uploads)
    .set({ leaseUntil: sql`now() - interval '1 second'` })
    .where(sql`state = 'aborting'`);
  if (
    (await db.execute(sql`SELECT 1 FROM uploads WHERE state = 'aborting' UNION ALL SELECT 1 FROM copies`))
      .length > 0
  ) {
    const jobId = await enqueue(stage, database, { kind: 'uploads.expire', payload: {} });
    await runToEnd({ database }, stage, { jobId, handlers });
  }
  const open = await db.select({ id: jobs.id }).from(jobs).where(sql`state IN ('queued', 'running')`);
  for (const { id: jobId } of open) await runToEnd({ database }, stage, { jobId, handlers });
}
