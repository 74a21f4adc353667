import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requireVolumes } from '../../boot/require-volumes.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

let database: TestDatabase;
let dir: TempDir;
beforeAll(async () => {
  database = await createTestDatabase();
  dir = await createTempDir();
});
afterAll(async () => {
  await database.close();
  await dir.remove();
});

it('takes volumes that are begun, or that no folder is on', async () => {
  const begun = join(dir.path, 'begun');
  await mkdir(join(begun, 'f'), { recursive: true });
  const volumes = new Map([
    ['begun', begun],
    ['new', join(dir.path, 'new')],
  ]);
  await expect(requireVolumes(database.db, { volumes })).resolves.toBeUndefined();
});

it('names a volume that cannot be looked at, in one sentence', async () => {
  const ring = join(dir.path, 'ring');
  await symlink(ring, ring);
  await expect(requireVolumes(database.db, { volumes: new Map([['ring', ring]]) })).rejects.toThrow(
    `The volume "ring" at ${ring} cannot be used: set VFOLDER_VOLUMES to a directory that can be written.`,
  );
});
