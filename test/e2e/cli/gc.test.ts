import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  age,
  type FsckStage,
  makeFsckStage,
  placeOf,
  type StagedFolder,
  sendPart,
  strangeId,
} from './fsck-stage.ts';
import { runAdmin } from './restored.ts';

let stage: FsckStage;
let full: StagedFolder;
let archive: string;
beforeAll(async () => {
  stage = await makeFsckStage();
  await stage.withWorker(async () => {
    full = await stage.folder({ 'a.txt': 'bytes' });
    archive = await stage.archive(full);
  });
});
afterAll(() => stage.stop());

/** What `vfolder admin gc --json` says. */
async function gc(...args: readonly string[]) {
  const { code, stdout, stderr } = await runAdmin(stage.ground.env, 'gc', '--json', ...args);
  if (stdout === '') throw new Error(`gc says nothing and ends with ${code}: ${stderr}`);
  const said: unknown = JSON.parse(stdout);
  const freed: unknown = Reflect.get(Object(said), 'freed');
  const amounts = (Array.isArray(freed) ? freed : []).map((one: unknown) => {
    const { kind, count, bytes } = Object(one);
    return [String(kind), { count, bytes }] as const;
  });
  return {
    code,
    freed: Object.fromEntries(amounts),
    rows: Object(Reflect.get(Object(said), 'rows')),
    failures: Reflect.get(Object(said), 'failures'),
  };
}

/** The service gives itself work and hands it over meanwhile. */
async function everything(): Promise<unknown> {
  const files = await readdir(stage.ground.volumeRoot, { recursive: true });
  const rows = await stage.sql(`SELECT
    (SELECT jsonb_agg(jsonb_build_array(id, state, checkpoint) ORDER BY id) FROM jobs WHERE folder_id IS NOT NULL) AS jobs, (SELECT jsonb_agg(f.* ORDER BY f.id) FROM folders f) AS folders,
    (SELECT jsonb_agg(u.* ORDER BY u.id) FROM uploads u) AS uploads, (SELECT count(*) FROM archives) AS archives,
    (SELECT count(*) FROM seen_signatures) AS signatures`);
  return { files: files.toSorted(), rows };
}

async function plantOrphan(): Promise<void> {
  const id = strangeId();
  await mkdir(join(placeOf(stage.ground, id), 'data'), { recursive: true });
  await writeFile(join(placeOf(stage.ground, id), 'data', 'thesis'), 'years of work');
  await age(placeOf(stage.ground, id));
}

async function plantFailedDelete(folder: StagedFolder): Promise<void> {
  const id = strangeId();
  await mkdir(join(folder.dir, 'trash', id));
  await writeFile(join(folder.dir, 'trash', id, '0'), 'seven b');
  await age(join(folder.dir, 'trash', id));
  await stage.sql(`INSERT INTO jobs (id, kind, volume, folder_id, payload, attempts_max, state, finished_at, checkpoint)
    VALUES ('${id}', 'trash.purge', 'local', '${folder.dashed}', '{"trashId":"${id}"}', 8, 'failed', now(),
      '{"measured":{"bytes":7,"files":1},"entries":null}')`);
  await stage.sql(`UPDATE folders SET trash_bytes = 7, trash_files = 1 WHERE id = '${folder.dashed}'`);
}

async function plantAll(): Promise<void> {
  const folder = await stage.folder();
  await sendPart(stage, folder);
  await stage.sql(
    `UPDATE uploads SET lease_until = now() - interval '1 minute' WHERE folder_id = '${folder.dashed}'`,
  );
  await stage.sql(`UPDATE archives SET expires_at = now() - interval '1 minute' WHERE id = '${archive}'`);
  const deleted = await stage.folder();
  await writeFile(join(deleted.dir, 'data', 'x'), '12345');
  await stage.sql(`UPDATE folders SET used_bytes = 5, used_files = 1 WHERE id = '${deleted.dashed}'`);
  await stage.owner.call('DELETE', deleted.path());
  await stage.sql(`UPDATE folders SET state = 'trashed', purge_at = now() - interval '1 minute', trashed_name = 'x'
    WHERE id = '${deleted.dashed}'`);
  await stage.sql(`DELETE FROM jobs WHERE folder_id = '${deleted.dashed}'`);
  await plantFailedDelete(await stage.folder());
  const littered = await stage.folder();
  const stray = join(littered.dir, 'stage', strangeId());
  await writeFile(stray, 'half');
  await age(stray);
  const empty = placeOf(stage.ground, strangeId());
  await mkdir(join(empty, 'data'), { recursive: true });
  await age(empty);
  await plantOrphan();
  await stage.sql(
    `INSERT INTO seen_signatures (access_key, signature, seen_at) VALUES ('a', 'b', now() - interval '1 day')`,
  );
}

const planted = {
  expired_uploads: { count: 1, bytes: null },
  staged_files: { count: 2, bytes: 14 },
  archives: { count: 1, bytes: expect.any(Number) },
  trashed_folders: { count: 1, bytes: 5 },
  folder_directories: { count: 1, bytes: null },
  set_aside: { count: 1, bytes: null },
};

describe('vfolder admin gc', () => {
  it('says what it would remove and changes nothing, removes just that, and then has nothing to do', async () => {
    await plantAll();
    const before = await everything();
    const looked = await gc('--dry-run');
    expect(looked).toMatchObject({
      code: 0,
      failures: [],
      freed: { ...planted, resumed_purges: { count: 1, bytes: null } },
      rows: { seen_signatures: 1 },
    });
    expect(Object.keys(looked.freed)).toHaveLength(7);
    expect(await everything()).toEqual(before);

    const done = await gc();
    expect(done).toEqual({
      ...looked,
      freed: { ...looked.freed, resumed_purges: { count: 1, bytes: 7 } },
    });
    const nothing = { code: 0, freed: {}, failures: [] };
    expect(await gc('--dry-run')).toMatchObject(nothing);
    expect(await gc()).toMatchObject(nothing);
    expect((await runAdmin(stage.ground.env, 'gc')).stdout).toBe('There is nothing to remove.\n');
    const [states] = await stage.sql(
      `SELECT count(*) FILTER (WHERE state = 'purged')::int AS purged FROM folders`,
    );
    expect(states).toEqual({ purged: 1 });

    const { code, findings } = await stage.fsck();
    expect({ code, codes: findings.map((found) => found.code) }).toEqual({ code: 0, codes: ['set_aside'] });
  });

  it('removes what was set aside only when told to, and only says so when dry', async () => {
    await plantOrphan();
    await gc();
    const aside = () => readdir(join(stage.ground.volumeRoot, 'lost'));
    const before = (await aside()).length;
    expect(before).toBeGreaterThan(0);
    expect((await gc('--orphans', '--dry-run')).freed).toMatchObject({ orphans: { count: before } });
    expect(await aside()).toHaveLength(before);
    expect((await gc('--orphans')).freed).toMatchObject({ orphans: { count: before } });
    expect(await aside()).toEqual([]);
    // What the same run sets aside is left for somebody to look at.
    await plantOrphan();
    await gc('--orphans');
    expect(await aside()).toHaveLength(1);
    await gc('--orphans');
    expect(await aside()).toEqual([]);
  });

  it('ends well beside workers that do the same, and beside itself', async () => {
    const folders = [await stage.folder(), await stage.folder(), await stage.folder()];
    for (const folder of folders) await plantFailedDelete(folder);
    await stage.withWorker(async () => {
      const runs = await Promise.all([gc(), gc()]);
      for (const { code, failures } of runs) expect({ code, failures }).toEqual({ code: 0, failures: [] });
    });
    for (const { dir } of folders) expect(await readdir(join(dir, 'trash'))).toEqual([]);
    expect((await stage.fsck()).findings.filter(({ level }) => level === 'fault')).toEqual([]);
  });

  it('stops where a volume becomes read-only, and so does a check that mends', async () => {
    // The first change of either makes the volume read-only.
    const closing = (table: string) => `
      CREATE FUNCTION close_volume() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO volumes (name, state) VALUES ('local', 'read_only')
          ON CONFLICT (name) DO UPDATE SET state = 'read_only';
        RETURN NULL; END $$;
      CREATE TRIGGER close_volume AFTER UPDATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION close_volume()`;
    const reopen = `DROP FUNCTION close_volume CASCADE; UPDATE volumes SET state = 'active'`;
    const late = await stage.folder();
    await sendPart(stage, late);
    // For half a minute others leave an upload to whoever took it.
    const expire = () =>
      stage.sql(`UPDATE uploads SET lease_until = now() - interval '1 minute'
        WHERE folder_id = '${late.dashed}'`);
    await expire();
    await plantFailedDelete(await stage.folder());
    await stage.sql(closing('uploads'));
    const stopped = await gc();
    expect([stopped.code, stopped.freed]).toEqual([8, {}]);
    expect(stopped.failures).toContainEqual({
      volume: 'local',
      what: 'volume',
      reason: expect.stringContaining('it became read-only'),
    });
    expect(await readdir(join(late.dir, 'stage'))).toHaveLength(1);
    await stage.sql(reopen);
    await expire();
    expect((await gc()).freed).toMatchObject({ resumed_purges: { count: 1 }, staged_files: { count: 1 } });

    // What the tests before made behind the service's back is none of these findings.
    await stage.fsck('--fix');
    // Folders are looked at a few at a time.
    for (let count = 0; count < 12; count += 1) {
      const { dashed } = await stage.folder();
      await stage.sql(`UPDATE folders SET used_bytes = 99 WHERE id = '${dashed}'`);
    }
    await stage.sql(closing('folders'));
    const { code, findings } = await stage.fsck('--fix');
    const [first, last] = [findings[0]?.outcome, findings.at(-1)?.outcome];
    expect({ code, findings: findings.length, first, last }).toEqual({
      code: 8,
      findings: 12,
      first: 'fixed',
      last: 'left',
    });
    await stage.sql(reopen);
    expect((await stage.fsck('--fix')).code).toBe(0);
  });

  it('leaves a read-only volume alone, and so does a check that is to mend', async () => {
    const folder = await stage.folder();
    await writeFile(join(folder.dir, 'data', 'x'), 'x');
    await plantOrphan();
    await stage.sql(`INSERT INTO volumes (name, state) VALUES ('local', 'read_only')
      ON CONFLICT (name) DO UPDATE SET state = 'read_only'`);
    const before = await everything();
    expect(await gc()).toMatchObject({
      code: 8,
      freed: {},
      failures: [{ volume: 'local', reason: 'it is read-only' }],
    });
    const { code, findings } = await stage.fsck('--fix');
    expect({ code, outcomes: findings.map(({ outcome }) => outcome) }).toEqual({
      code: 8,
      outcomes: ['left', 'left'],
    });
    expect(await everything()).toEqual(before);
    await stage.sql(`UPDATE volumes SET state = 'active'`);
    expect((await stage.fsck('--fix')).code).toBe(0);
  });
});
