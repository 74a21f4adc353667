import { afterEach, beforeEach, expect, it } from 'vitest';
import { readMoment } from '../../db/queries/moves.ts';
import type { EntryPath } from '../../domain/entry-path.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import type { SkippedEntry, Volume } from '../../storage/volume.ts';
import { catchUp } from '../../upkeep/catch-up.ts';
import { copyFolder } from '../../upkeep/copy-folder.ts';
import { describeEachBackend } from '../support/backends.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { entryPath, makeWorkStage, type WorkStage } from '../worker/work-stage.ts';

/** What others do just before a walk goes on with what comes behind an entry it met. */
type Meanwhile = (path: string) => Promise<void>;

function whileWalking(volume: Volume, meanwhile: Meanwhile): Volume {
  async function* walk(...[folderId, path, options]: Parameters<Volume['walk']>) {
    for await (const entry of volume.walk(folderId, path, options)) {
      await meanwhile(entry.path.join('/'));
      yield entry;
    }
  }
  return new Proxy(volume, {
    get: (target, verb, receiver) => (verb === 'walk' ? walk : Reflect.get(target, verb, receiver)),
  });
}

describeEachBackend('a backup of a folder that others change', (backend) => {
  let stage: WorkStage;
  let dir: TempDir;
  let backup: PosixVolume;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
    await stage.start();
    dir = await createTempDir();
    backup = await openPosixVolume({ name: 'backup', root: dir.path });
  });
  afterEach(async () => {
    await backup.close();
    await stage.close();
    await dir.remove();
  });

  async function put(files: Readonly<Record<string, string>>): Promise<void> {
    const { jobId } = await stage.stageUpload(files);
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
  }

  async function move(from: string, to: string): Promise<void> {
    const { folderId, ownerId: actorId } = stage;
    const payload = { from, to, into: false };
    const job = { kind: 'entry.move', payload, volume: 'local', folderId, actorId } as const;
    const id = await stage.client.enqueue(backend.database.db, job);
    stage.dispatch(id);
    expect(await stage.jobs.ended(id)).toMatchObject({ state: 'succeeded' });
  }

  async function readCopy(path: EntryPath): Promise<string | null> {
    if ((await backup.stat(stage.folderId, path)) === null) return null;
    const file = await backup.open(stage.folderId, path);
    try {
      return (await file.stream().toArray()).join('');
    } finally {
      await file.close();
    }
  }

  /** Copies while `meanwhile` strikes. @returns readers of the copy as the walk left it, and as it is at last */
  async function copyWhile(meanwhile: Meanwhile, paths: readonly string[]) {
    const { db } = backend.database;
    const { folderId } = stage;
    const from = whileWalking(stage.volume, meanwhile);
    const skipped: SkippedEntry[] = [];
    const since = await readMoment(db);
    const onSkip = (entry: SkippedEntry) => skipped.push(entry);
    const usage = await copyFolder({ folderId, from, to: backup, onSkip });
    const look = async () => {
      const texts = await Promise.all(paths.map((path) => readCopy(entryPath(path))));
      return Object.fromEntries(paths.map((path, index) => [path, texts[index]]));
    };
    const walked = await look();
    if (usage === null) throw new Error('The folder is there.');
    const whole = await catchUp({ db, folderId, from, to: backup, since, usage, skipped });
    return { walked, caught: await look(), whole };
  }

  it('holds files and trees that were moved to where the walk had been', async () => {
    await put({ 'a/x': 'early', 'z/late': 'late', 'z/tree/leaf': 'leaf' });
    const meanwhile = async (path: string) => {
      if (path !== 'z') return;
      await move('z/late', 'a/late');
      await move('z/tree', 'b');
    };
    const { walked, caught, whole } = await copyWhile(meanwhile, ['a/x', 'a/late', 'b/leaf']);
    // The canary: one walk does miss them.
    expect(walked).toEqual({ 'a/x': 'early', 'a/late': null, 'b/leaf': null });
    expect(caught).toEqual({ 'a/x': 'early', 'a/late': 'late', 'b/leaf': 'leaf' });
    expect(whole).toMatchObject({ usage: { bytes: 13, files: 3 }, skipped: [] });
  });

  it('holds a file that is moved on whenever it is looked for, and directories that were made for it', async () => {
    await put({ 'a/x': 'early', 'z/late': 'late' });
    const steps = ['z/late', 'a/late', 'made/b', 'made/c'].values();
    let at = steps.next().value ?? '';
    const meanwhile = async (path: string) => {
      if (path !== 'z' && path !== at) return;
      const next = steps.next().value;
      if (next === undefined) return;
      if (next.startsWith('made/')) {
        await stage.volume.makeDirectory(stage.folderId, entryPath('made'), { parents: true, existOk: true });
      }
      await move(at, next);
      at = next;
    };
    const { walked, caught } = await copyWhile(meanwhile, ['a/late', 'made/b', 'made/c']);
    expect(walked).toEqual({ 'a/late': null, 'made/b': null, 'made/c': null });
    expect(caught).toEqual({ 'a/late': null, 'made/b': null, 'made/c': 'late' });
  });

  it('holds a file that was replaced in the moment it was to be read', async () => {
    await put({ p: 'old' });
    let isReplaced = false;
    const meanwhile = async (path: string) => {
      if (path !== 'p' || isReplaced) return;
      isReplaced = true;
      await put({ p: 'new content' });
    };
    const { walked, caught, whole } = await copyWhile(meanwhile, ['p']);
    expect(walked).toEqual({ p: null });
    expect(caught).toEqual({ p: 'new content' });
    expect(whole).toMatchObject({ skipped: [], gone: [] });
  });

  it('tells what was deleted meanwhile from what is left out', async () => {
    await put({ p: 'old', q: 'stays' });
    const meanwhile = async (path: string) => {
      if (path !== 'p') return;
      await stage.volume.createTrash(stage.folderId, stage.ownerId);
      await stage.volume.trashEntry(stage.folderId, entryPath('p'), stage.ownerId, 0);
    };
    const { caught, whole } = await copyWhile(meanwhile, ['p', 'q']);
    expect(caught).toEqual({ p: null, q: 'stays' });
    expect(whole).toMatchObject({ skipped: [], gone: [{ path: 'p', reason: 'vanished' }] });
  });
});
