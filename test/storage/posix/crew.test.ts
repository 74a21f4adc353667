import { closeSync, fstatSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { borrowDirectory } from '../../../storage/posix/handles/directory.ts';
import { createCrew } from '../../../storage/posix/walks/crew.ts';
import { addTally, emptyTally } from '../../../storage/posix/walks/progress.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const files = 12_000;

let dir: TempDir;

beforeEach(async () => {
  dir = await createTempDir();
  for (let index = 0; index < files; index += 1) {
    const path = join(dir.path, 'tree', `d${index % 60}`);
    if (index < 60) mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `f${index}`), '');
  }
});
afterEach(() => dir.remove());

it('walks every tree once, however often walkers are paused in the middle and go on', async () => {
  const fd = openSync(dir.path, 'r');
  // Now one may be at work and now two, by turns.
  let looks = 0;
  const most: number[] = [];
  const limit = {
    walkers: () => 2 - (looks % 2),
    learn(_turns: unknown, atWork: number) {
      looks += 1;
      most.push(atWork);
    },
  };
  const crew = createCrew(borrowDirectory(fd, fstatSync(fd, { bigint: true }).dev), undefined, limit);
  const measure = async () => {
    const tally = emptyTally();
    const end = await crew.run({
      task: { verb: 'measure', root: ['tree'] },
      signal: undefined,
      onTally: (more) => addTally(tally, more),
      onLinked: () => undefined,
      onFailure: (failure) => expect.fail(String(failure)),
    });
    return { end, tally };
  };
  try {
    for (let round = 0; round < 3; round += 1) {
      for (const { end, tally } of await Promise.all([1, 2, 3, 4].map(measure))) {
        expect(end).not.toBe('no_walkers');
        expect(tally).toEqual({ entries: files + 60, bytes: 0, files, directories: 60 });
      }
    }
    expect(Math.max(...most)).toBe(2);
  } finally {
    await crew.close();
    closeSync(fd);
  }
}, 120_000);
