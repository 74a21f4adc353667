import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canTraverse } from '../../../runtime/postgres/account.ts';
import { runFixture } from '../../support/run-fixture.ts';

const isRoot = process.getuid?.() === 0;
const stranger = { uid: 54_321, gid: 54_321 };
const program = join(import.meta.dirname, '../fixtures/locked-trees.ts');

/** Root is kept out by nothing; a checkout below root's private home has no other users. */
const canBeKeptOut = !isRoot || (await canTraverse(import.meta.dirname, stranger));

it.runIf(canBeKeptOut)(
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
