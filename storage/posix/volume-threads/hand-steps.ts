import fs from 'node:fs';
import { errnoOf, hasErrno } from '../errno.ts';
import { pathAt } from '../handles/entry-name.ts';
import { toEntryStat } from '../handles/entry-stat.ts';
import type { HandOutcome, HandStep, Placing } from './hand-tasks.ts';

function lookAt(directory: number, name: string): fs.BigIntStats | null {
  return fs.lstatSync(pathAt(directory, name), { bigint: true, throwIfNoEntry: false }) ?? null;
}

/**
 * Between the look and the rename a container may put something else in place. A symlink, fifo or device is then
 * replaced itself, never followed; a directory makes the rename fail. Neither reaches outside the folder.
 */
function place({ directory, name, from }: Extract<HandStep, { verb: 'place' }>): Placing {
  const target = lookAt(directory, name);
  if (target !== null && !target.isFile()) {
    // What was renamed before may have been replaced since.
    return lookAt(from.directory, from.name) === null ? 'missing' : 'taken';
  }
  try {
    fs.renameSync(pathAt(from.directory, from.name), pathAt(directory, name));
    return 'done';
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'missing';
    throw error;
  }
}

/** Takes one step, synchronously. Never throws for what a system call refuses. */
export function takeStep(step: HandStep): HandOutcome {
  try {
    if (step.verb === 'place') return { placed: place(step) };
    const stat = lookAt(step.directory, step.name);
    return { stat: stat === null ? null : toEntryStat(stat) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 0) throw error;
    return { errno, message: error instanceof Error ? error.message : '' };
  }
}
