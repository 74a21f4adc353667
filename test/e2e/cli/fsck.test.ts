import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneDatabase } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import {
  age,
  dashedId,
  expectRow,
  type FsckRun,
  type FsckStage,
  makeFsckStage,
  placeOf,
  runFsck,
  type StagedFolder,
  sendPart,
  strangeId,
  type ToldFinding,
} from './fsck-stage.ts';

const isRoot = process.getuid?.() === 0;

let stage: FsckStage;
/** Made while a worker ran. */
let full: StagedFolder;
let noted: StagedFolder;
let archives: readonly string[];
beforeAll(async () => {
  stage = await makeFsckStage();
  await stage.withWorker(async () => {
    full = await stage.folder({ 'a/b.txt': 'bytes', 'c.txt': '' });
    noted = await stage.folder({ 'x.txt': 'one' });
    archives = [await stage.archive(full), await stage.archive(full)];
  });
});
afterAll(() => stage.stop());

/** What was planted: where it is to be found, and what is true once it is mended. Each has a folder of its own, if any. */
interface Planted {
  readonly folder?: string;
  readonly path?: string | null;
  /** Found with it, because it follows from it. */
  readonly with?: readonly string[];
  /** What is left with it, until it is taken away by hand. */
  readonly alsoLeft?: readonly string[];
  /** By code, what a run after the fix still finds: what is for an operator. */
  readonly after?: readonly string[];
  readonly mended?: () => Promise<void>;
  /** For what `--fix` leaves: takes it away again. */
  readonly byHand?: () => Promise<void>;
}

async function listStage(folder: StagedFolder): Promise<string[]> {
  return await readdir(join(folder.dir, 'stage'));
}

const plants: Readonly<Record<string, () => Promise<Planted>>> = {
  folder_missing: async () => {
    const folder = await stage.folder();
    await rm(folder.dir, { recursive: true });
    return { folder: folder.dashed, mended: async () => void (await stat(join(folder.dir, 'data'))) };
  },
  area_missing: async () => {
    const folder = await stage.folder();
    await rm(join(folder.dir, 'stage'), { recursive: true });
    return { folder: folder.dashed, path: 'stage' };
  },
  area_blocked: async () => {
    const folder = await stage.folder();
    const trash = join(folder.dir, 'trash');
    await rm(trash, { recursive: true });
    await writeFile(trash, '');
    const byHand = async () => {
      await rm(trash);
      await mkdir(trash, { mode: 0o700 });
    };
    return { folder: folder.dashed, path: 'trash', byHand };
  },
  area_mode: async () => {
    const folder = await stage.folder();
    await chmod(join(folder.dir, 'trash'), 0o777);
    const mended = async () => expect((await stat(join(folder.dir, 'trash'))).mode & 0o777).toBe(0o700);
    return { folder: folder.dashed, path: 'trash', mended };
  },
  folder_orphaned: async () => {
    const id = strangeId();
    const place = placeOf(stage.ground, id);
    for (const area of ['data', 'stage', 'trash']) await mkdir(join(place, area), { recursive: true });
    await writeFile(join(place, 'data', 'thesis.txt'), 'years');
    await age(place);
    const aside = join(stage.ground.volumeRoot, 'lost', id);
    return {
      folder: id,
      path: `f/${id.slice(-4, -2)}/${id.slice(-2)}/${id}`,
      after: ['set_aside'],
      mended: async () => {
        expect(await readFile(join(aside, 'folder', 'data', 'thesis.txt'), 'utf8')).toBe('years');
        expect(await readFile(join(aside, 'note.json'), 'utf8')).toContain('gc --orphans');
      },
      byHand: () => rm(aside, { recursive: true }),
    };
  },
  folder_misplaced: async () => {
    const folder = await stage.folder();
    await writeFile(join(folder.dir, 'data', 'x'), 'x');
    await stage.sql(`UPDATE folders SET volume = 'renamed' WHERE id = '${folder.dashed}'`);
    await age(folder.dir);
    const byHand = async () => {
      await stage.sql(
        `UPDATE folders SET volume = 'local', used_bytes = 1, used_files = 1 WHERE id = '${folder.dashed}'`,
      );
    };
    return { folder: folder.dashed, with: ['volume_elsewhere'], alsoLeft: ['volume_elsewhere'], byHand };
  },
  folder_litter: async () => {
    const id = strangeId();
    await mkdir(join(placeOf(stage.ground, id), 'data'), { recursive: true });
    await age(placeOf(stage.ground, id));
    return { folder: id, mended: () => expect(stat(placeOf(stage.ground, id))).rejects.toThrow('ENOENT') };
  },
  folder_leftover: async () => {
    const folder = await stage.folder();
    await stage.sql(`UPDATE folders SET state = 'purged' WHERE id = '${folder.dashed}'`);
    await age(folder.dir);
    return { folder: folder.dashed, byHand: () => rm(folder.dir, { recursive: true }) };
  },
  purge_missing: async () => {
    const folder = await stage.folder();
    await stage.sql(`UPDATE folders SET state = 'deleted' WHERE id = '${folder.dashed}'`);
    return { folder: folder.dashed };
  },
  clone_missing: async () => {
    const folder = await stage.folder();
    await stage.sql(`UPDATE folders SET state = 'cloning' WHERE id = '${folder.dashed}'`);
    return { folder: folder.dashed };
  },
  upload_incomplete: async () => {
    const folder = await stage.folder();
    const file = await sendPart(stage, folder);
    await truncate(file, 4);
    return { folder: folder.dashed, path: `stage/${file.split('/').at(-1)}` };
  },
  upload_stuck: async () => {
    const folder = await stage.folder();
    const parts = [{ fileName: 'late.txt', bytes: 'late' }];
    await stage.owner.call('POST', folder.path('upload'), { parts, headers: { Prefer: 'respond-async' } });
    await stage.sql(
      `UPDATE jobs SET state = 'failed', finished_at = now() WHERE folder_id = '${folder.dashed}'`,
    );
    return { folder: folder.dashed };
  },
  archive_missing: async () => {
    const [id = ''] = archives;
    await rm(join(stage.ground.volumeRoot, 'a', id.slice(-2), id));
    return { folder: full.dashed };
  },
  archive_size: async () => {
    const id = archives[1] ?? '';
    await appendFile(join(stage.ground.volumeRoot, 'a', id.slice(-2), id), 'more');
    return { folder: full.dashed };
  },
  archive_litter: async () => {
    const id = strangeId();
    const path = `a/${id.slice(-2)}/${id}`;
    await mkdir(join(stage.ground.volumeRoot, 'a', id.slice(-2)), { recursive: true });
    await writeFile(join(stage.ground.volumeRoot, path), 'zip');
    await age(join(stage.ground.volumeRoot, path));
    return { path };
  },
  trash_missing: async () => {
    const folder = await stage.folder();
    const id = strangeId();
    await stage.sql(`INSERT INTO jobs (id, kind, volume, folder_id, payload, attempts_max, state, finished_at, checkpoint)
      VALUES ('${id}', 'trash.purge', 'local', '${folder.dashed}', '{"trashId":"${id}"}', 8, 'failed', now(),
        '{"measured":{"bytes":70,"files":2},"entries":null}')`);
    await stage.sql(`UPDATE folders SET trash_bytes = 70, trash_files = 2 WHERE id = '${folder.dashed}'`);
    return { folder: folder.dashed, path: `trash/${id}`, with: ['trash_drift'] };
  },
  stage_litter: async () => {
    const folder = await stage.folder();
    const path = `stage/${strangeId()}`;
    await writeFile(join(folder.dir, path), 'half');
    await age(join(folder.dir, path));
    await writeFile(join(folder.dir, 'stage', strangeId()), 'young: somebody may be about to record it');
    return {
      folder: folder.dashed,
      path,
      mended: async () => expect(await listStage(folder)).toHaveLength(1),
    };
  },
  trash_litter: async () => {
    const folder = await stage.folder();
    const path = `trash/${strangeId()}`;
    await mkdir(join(folder.dir, path));
    await age(join(folder.dir, path));
    return { folder: folder.dashed, path };
  },
  foreign_name: async () => {
    const path = join(stage.ground.volumeRoot, 'f', 'README');
    await writeFile(path, 'hello');
    return { path: 'f/README', byHand: () => rm(path) };
  },
  usage_drift: async () => {
    const folder = await stage.folder();
    await writeFile(join(folder.dir, 'data', 'behind.txt'), 'from a container');
    const mended = () => expectRow(stage, folder, { used_bytes: '16', used_files: '1' });
    return { folder: folder.dashed, path: 'data', mended };
  },
  trash_drift: async () => {
    const folder = await stage.folder();
    await stage.sql(`UPDATE folders SET trash_bytes = 5 WHERE id = '${folder.dashed}'`);
    return { folder: folder.dashed, path: 'trash' };
  },
  directories_drift: async () => {
    const folder = await stage.folder();
    await mkdir(join(folder.dir, 'data', 'd', 'e'), { recursive: true });
    const mended = () => expectRow(stage, folder, { directories: '2' });
    return { folder: folder.dashed, path: 'data', mended };
  },
  reserved_drift: async () => {
    const folder = await stage.folder();
    await sendPart(stage, folder);
    await stage.sql(`UPDATE folders SET reserved_bytes = reserved_bytes + 7 WHERE id = '${folder.dashed}'`);
    const mended = () => expectRow(stage, folder, { reserved_bytes: '20' });
    return { folder: folder.dashed, mended };
  },
  job_objectless: async () => {
    const folder = await stage.folder();
    await rm(folder.dir, { recursive: true });
    await stage.sql(`UPDATE folders SET state = 'purged' WHERE id = '${folder.dashed}'`);
    await stage.sql(`INSERT INTO jobs (id, kind, volume, folder_id, payload, attempts_max, created_at)
      VALUES ('${strangeId()}', 'usage.measure', 'local', '${folder.dashed}', '{}', 8, now() - interval '2 hours')`);
    return { folder: folder.dashed };
  },
};

type Plant = Planted & { readonly code: string };

function findingOf({ findings }: FsckRun, one: Plant): ToldFinding | undefined {
  return findings.find(({ code, folder }) => code === one.code && folder === (one.folder ?? null));
}

function expectCodes(
  { findings }: FsckRun,
  codesOf: (one: Plant) => readonly string[],
  planted: readonly Plant[],
): void {
  expect(findings.map(({ code }) => code).toSorted()).toEqual(planted.flatMap(codesOf).toSorted());
}

function expectFound(run: FsckRun, one: Plant): void {
  const found = findingOf(run, one);
  expect(found).toMatchObject({ code: one.code, level: 'fault', volume: 'local', outcome: 'left' });
  if (one.path !== undefined) expect(found?.path).toBe(one.path);
}

/** What only its owner can decide about is left, and everything else is mended. */
async function expectMended(run: FsckRun, one: Plant): Promise<void> {
  const isForSomebody = one.byHand !== undefined && one.after === undefined;
  const found = findingOf(run, one);
  expect(found).toMatchObject({ code: one.code, outcome: isForSomebody ? 'left' : 'fixed' });
  expect(found?.fix === null).toBe(isForSomebody);
  await one.mended?.();
}

async function expectClean(): Promise<void> {
  const { code, findings, summary } = await stage.fsck();
  expect({ code, findings }).toEqual({ code: 0, findings: [] });
  expect(summary).toMatchObject({ faults: 0, notes: 0, left: 0 });
}

describe('vfolder admin fsck', () => {
  it('finds nothing in an installation that is well', expectClean);

  it('finds everything that was planted, each at its place and nothing else, mends it, and finds nothing then', async () => {
    const planted: Plant[] = [];
    for (const [code, plant] of Object.entries(plants)) planted.push({ code, ...(await plant()) });
    const looked = await stage.fsck();
    expect(looked.code).toBe(8);
    expectCodes(looked, (one) => [one.code, ...(one.with ?? [])], planted);
    for (const one of planted) expectFound(looked, one);

    const fixing = await stage.fsck('--fix');
    expect(fixing.code).toBe(8);
    for (const one of planted) await expectMended(fixing, one);
    expectCodes(
      await stage.fsck(),
      ({ after, byHand, code, alsoLeft = [] }) => after ?? (byHand ? [code, ...alsoLeft] : []),
      planted,
    );
    for (const one of planted) await one.byHand?.();
    await expectClean();
  });

  it('changes nothing when it only looks', async () => {
    const folder = await stage.folder();
    await rm(join(folder.dir, 'stage'), { recursive: true });
    await writeFile(join(folder.dir, 'data', 'x'), 'x');
    const { findings } = await stage.fsck();
    expect(findings).toHaveLength(1);
    expect((await stage.fsck()).findings).toEqual(findings);
    await stage.fsck('--fix');
    // What could not be looked at before can be now.
    expect((await stage.fsck('--fix')).findings).toMatchObject([{ code: 'usage_drift' }]);
    await expectClean();
  });

  it.skipIf(!isRoot)('finds another owner and mends it', async () => {
    const folder = await stage.folder();
    await chown(join(folder.dir, 'stage'), 12_345, 0);
    const [found] = (await stage.fsck('--fix')).findings;
    expect(found).toMatchObject({ code: 'area_owner', path: 'stage', outcome: 'fixed' });
    await expectClean();
  });

  it('notes an upload whose staged file is gone and whose commit will find that out, and leaves it to that', async () => {
    const folder = await stage.folder();
    const parts = [{ fileName: 'late.txt', bytes: 'late' }];
    await stage.owner.call('POST', folder.path('upload'), { parts, headers: { Prefer: 'respond-async' } });
    for (const name of await listStage(folder)) await rm(join(folder.dir, 'stage', name));
    const { code, findings } = await stage.fsck('--fix');
    expect({ code, findings }).toMatchObject({
      code: 0,
      findings: [{ code: 'upload_doomed', level: 'note', folder: folder.dashed, outcome: 'left' }],
    });
    await stage.withWorker(() => eventually(expectClean));
  });

  it('notes checksums of files that were changed, which is nothing wrong, and forgets them', async () => {
    await writeFile(join(noted.dir, 'data', 'x.txt'), 'two');
    const { code, findings } = await stage.fsck();
    expect(code).toBe(0);
    expect(findings).toMatchObject([{ code: 'checksums_stale', level: 'note', folder: noted.dashed }]);
    expect((await stage.fsck('--fix')).findings).toMatchObject([{ outcome: 'fixed' }]);
    await expectClean();
  });

  it('looks at one folder by its name or id, and says that there is none', async () => {
    const [one, other] = [await stage.folder(), await stage.folder()];
    for (const { dir } of [one, other]) await writeFile(join(dir, 'data', 'x'), 'x');
    for (const named of [one.name, one.id, one.dashed]) {
      const { findings, summary } = await stage.fsck('--folder', named);
      expect(findings).toMatchObject([{ code: 'usage_drift', folder: one.dashed }]);
      expect(summary.folders).toBe(1);
    }
    await expect(stage.fsck('--folder', 'nobody has this')).rejects.toThrow(
      /ends with 3: .*no folder "nobody has this"/,
    );
    await stage.fsck('--fix');
    await expectClean();
  });

  it('refuses to mend by a database that knows nothing of what the volume holds', async () => {
    const folder = await stage.folder();
    await writeFile(join(folder.dir, 'data', 'x'), 'x');
    const other = await cloneDatabase();
    try {
      const env = { ...stage.ground.env, DATABASE_URL: other.url };
      await age(folder.dir);
      await expect(runFsck(env, '--fix')).rejects.toThrow(
        /ends with 6: .*knows no folder on the volume "local"/,
      );
      expect((await runFsck(env)).findings.map(({ code }) => code)).toContain('folder_orphaned');
    } finally {
      await other.drop();
    }
    expect((await stage.fsck('--fix')).findings).toMatchObject([{ code: 'usage_drift', outcome: 'fixed' }]);
    await expectClean();
  });

  it('refuses a volume that is not mounted, and one that is not named, and notes one that others have', async () => {
    const folder = await stage.folder();
    const { env, volumeRoot } = stage.ground;
    const away = { ...env, VFOLDER_VOLUMES: `local=${volumeRoot}-not-mounted` };
    await expect(runFsck(away)).rejects.toThrow(/ends with 6: .*"local" is not at .*: is it mounted\?/);
    await expect(runFsck(env, '--volume', 'nowhere')).rejects.toThrow(/ends with 2: .*"nowhere"/);
    await stage.sql(`UPDATE folders SET volume = 'elsewhere' WHERE id = '${folder.dashed}'`);
    const { code, findings } = await stage.fsck();
    expect({ code, findings }).toMatchObject({
      code: 0,
      findings: [{ code: 'volume_elsewhere', level: 'note', volume: 'elsewhere' }],
    });
    await stage.sql(`UPDATE folders SET volume = 'local' WHERE id = '${folder.dashed}'`);
    expect(dashedId(folder.id)).toBe(folder.dashed);
    await expectClean();
  });
});
