import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasOtherUsers, isRoot, stranger } from '../../support/other-user.ts';
import { runFixture } from '../../support/run-fixture.ts';

const program = join(import.meta.dirname, '../fixtures/locked-trees.ts');

it.runIf(!isRoot || hasOtherUsers)(
  'walks what its owner has locked, by walkers and alone, also with a low priority of its own',
  async () => {
    const run = await runFixture(program, [], {
      cwd: import.meta.dirname,
      niceness: 15,
      ...(isRoot ? { user: stranger } : {}),
    });
    const outcome = { measured: { bytes: 21, files: 21, directories: 15 }, entries: 36, left: [] };
    expect(run.facts).toEqual({
      uid: isRoot ? stranger.uid : process.getuid?.(),
      walkers: outcome,
      alone: outcome,
    });
    expect(await run.end()).toBe(0);
  },
);
