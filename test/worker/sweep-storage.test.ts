import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findFolderPurge } from '../../db/queries/sweep.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import { describeEachBackend } from '../support/backends.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('sweeping a volume', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  async function sweep() {
    const jobId = await stage.jobs.submit(stage.client, { kind: 'storage.sweep', payload: {} });
    return stage.jobs.ended(jobId);
  }
  const age = (path: string) => utimes(path, new Date(0), new Date(0));
  const stagePath = (id: string) => join(stage.folderRoot, 'stage', id);

  async function litter(): Promise<string> {
    const id = uuidv7();
    await (await stage.volume.createStage(stage.folderId, id)).finish();
    return id;
  }

  it('removes staged files that no session owns, once they are old, and no others', async () => {
    const [old, young] = [await litter(), await litter()];
    const { uploadId, jobId } = await stage.stageUpload({ a: '1', b: '2' });
    // Its commit is not due yet, or it would take the files away.
    const nextDispatchAt = new Date(Date.now() + 3_600_000);
    await backend.database.db.update(jobs).set({ nextDispatchAt }).where(eq(jobs.id, jobId));
    const owned = [stageIdOf(uploadId, 0), stageIdOf(uploadId, 1)];
    for (const id of [old, ...owned]) await age(stagePath(id));
    await stage.start();
    expect(await sweep()).toMatchObject({ state: 'succeeded', result: { swept: { stages: 1 } } });
    expect((await readdir(join(stage.folderRoot, 'stage'))).toSorted()).toEqual([young, ...owned].toSorted());
  });

  it('removes old folder directories that have no row', async () => {
    const [old, young] = [uuidv7(), uuidv7()];
    await stage.volume.createFolder(old);
    await stage.volume.createFolder(young);
    await age(join(stage.folderRoot, '..', '..', '..', old.slice(-4, -2), old.slice(-2), old));
    await stage.start();
    expect(await sweep()).toMatchObject({ state: 'succeeded', result: { swept: { folders: 1 } } });
    expect(await stage.volume.statStage(young, uuidv7())).toBeNull();
    await expect(stage.volume.listStages(old)).rejects.toMatchObject({ code: 'entry_not_found' });
  });

  it('sets a folder without a row aside when it holds something, however old, and removes nothing of it', async () => {
    const lost = uuidv7();
    await stage.volume.createFolder(lost);
    const root = join(stage.folderRoot, '..', '..', '..', '..');
    const place = join(root, 'f', lost.slice(-4, -2), lost.slice(-2), lost);
    await writeFile(join(place, 'data', 'thesis'), 'years of work');
    await age(place);
    await stage.start();
    expect(await sweep()).toMatchObject({ state: 'succeeded', result: { swept: { folders: 0, aside: 1 } } });
    const aside = join(root, 'lost', lost);
    expect(await readFile(join(aside, 'folder', 'data', 'thesis'), 'utf8')).toBe('years of work');
    expect(JSON.parse(await readFile(join(aside, 'note.json'), 'utf8'))).toMatchObject({ folder: lost });
    expect(await sweep()).toMatchObject({ result: { swept: { folders: 0, aside: 0 } } });
  });

  it('purges a deleted folder whose purge was never recorded', async () => {
    const { db } = backend.database;
    await db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, stage.folderId));
    await stage.start();
    expect(await sweep()).toMatchObject({ state: 'succeeded', result: { swept: { folders: 1 } } });
    await stage.jobs.ended(await latestPurge());
    expect(await stage.usage()).toMatchObject({ state: 'purged' });
    await expect(readdir(stage.folderRoot)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  async function latestPurge(): Promise<string> {
    const purge = await findFolderPurge(backend.database.db, stage.folderId);
    if (purge === null) throw new Error('The sweeper asked for a purge.');
    return purge.id;
  }
});
