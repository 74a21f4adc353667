import { chmod, chown, mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;

let dir: TempDir;
let volume: PosixVolume;
let id: string;
let folder: string;
beforeEach(async () => {
  dir = await createTempDir();
  volume = await openPosixVolume({ name: 'local', root: dir.path });
  id = uuidv7();
  await volume.createFolder(id);
  folder = join(dir.path, 'f', id.slice(-4, -2), id.slice(-2), id);
});
afterEach(async () => {
  await volume.close();
  await dir.remove();
});

const well = { bad: [], foreign: [] };

describe('inspectFolder and mendFolder', () => {
  it('find nothing in a folder as it is made, and no folder where there is none', async () => {
    expect(await volume.inspectFolder(id)).toEqual(well);
    expect(await volume.inspectFolder(uuidv7())).toBeNull();
  });

  it('tell and mend modes that let others in or the owner out, but leave data to who mounts it', async () => {
    await chmod(join(folder, 'data'), 0o777);
    await chmod(join(folder, 'stage'), 0o755);
    await chmod(join(folder, 'trash'), 0o300);
    await chmod(folder, 0o777);
    expect((await volume.inspectFolder(id))?.bad).toEqual([
      { directory: '', fault: 'mode', found: '0777', wanted: '0711' },
      { directory: 'stage', fault: 'mode', found: '0755', wanted: '0700' },
      { directory: 'trash', fault: 'mode', found: '0300', wanted: '0700' },
    ]);
    await volume.mendFolder(id);
    expect(await volume.inspectFolder(id)).toEqual(well);
    expect((await stat(join(folder, 'data'))).mode & 0o777).toBe(0o777);
  });

  it.skipIf(!isRoot)('tell and mend another owner', async () => {
    await chown(join(folder, 'stage'), 12_345, 0);
    expect((await volume.inspectFolder(id))?.bad).toEqual([
      { directory: 'stage', fault: 'owner', found: '12345', wanted: '0' },
    ]);
    await volume.mendFolder(id);
    expect(await volume.inspectFolder(id)).toEqual(well);
  });

  it('tell and make a directory that is missing, and never follow a link in its place', async () => {
    await rm(join(folder, 'stage'), { recursive: true });
    const outside = join(dir.path, 'outside');
    await mkdir(outside, { mode: 0o777 });
    await chmod(outside, 0o777);
    await rm(join(folder, 'trash'), { recursive: true });
    await symlink(outside, join(folder, 'trash'));
    expect((await volume.inspectFolder(id))?.bad).toMatchObject([
      { directory: 'stage', fault: 'missing' },
      { directory: 'trash', fault: 'not_a_directory' },
    ]);
    await expect(volume.mendFolder(id)).rejects.toMatchObject({ code: 'entry_conflict' });
    expect((await stat(outside)).mode & 0o777).toBe(0o777);
    await rm(join(folder, 'trash'));
    await volume.mendFolder(id);
    expect(await volume.inspectFolder(id)).toEqual(well);
  });

  it('name what lies beside our names, at most a hundred', async () => {
    await writeFile(join(folder, 'core'), '');
    await writeFile(join(folder, 'stage', 'notes ü.txt'), '');
    await mkdir(join(folder, 'trash', 'x'));
    expect((await volume.inspectFolder(id))?.foreign.toSorted()).toEqual([
      'core',
      'stage/notes ü.txt',
      'trash/x',
    ]);
    for (let n = 0; n < 150; n += 1) await writeFile(join(folder, 'stage', `n${n}`), '');
    expect((await volume.inspectFolder(id))?.foreign).toHaveLength(100);
  });
});

describe('listForeign', () => {
  async function foreign(): Promise<string[]> {
    const found: string[] = [];
    for await (const path of volume.listForeign()) found.push(path);
    return found.toSorted();
  }

  it('names what is none of ours, a folder at a wrong place included, and nothing else', async () => {
    const archive = await volume.createArchive(uuidv7());
    expect(await foreign()).toEqual([]);
    await writeFile(join(dir.path, 'f', 'README'), '');
    await writeFile(join(dir.path, 'f', '0f'), '');
    await mkdir(join(dir.path, 'f', 'aa', 'core'), { recursive: true });
    await mkdir(join(dir.path, 'f', 'aa', 'bb'), { recursive: true });
    await rename(folder, join(dir.path, 'f', 'aa', 'bb', id));
    await mkdir(join(dir.path, 'a', 'zz'));
    await mkdir(join(dir.path, 'lost', 'x'), { recursive: true });
    await mkdir(join(dir.path, 'of the operator'));
    expect(await foreign()).toEqual(
      ['a/zz', 'f/0f', 'f/README', 'f/aa/core', `f/aa/bb/${id}`, 'lost/x'].toSorted(),
    );
    await archive.abort();
  });
});
