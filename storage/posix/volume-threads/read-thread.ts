import { serveBatches } from '../../threads/serve-batches.ts';
import type { Done } from '../../threads/serve-tasks.ts';
import { type ReadResult, type ReadTask, readEntry } from './read-entry.ts';
import { type StatResult, type StatTask, statNames } from './stat-names.ts';

/** The script of a thread that opens, reads and looks at files. It gets descriptors of directories and names below them. */
serveBatches(
  (task: ReadTask | StatTask): Done<ReadResult | StatResult> =>
    task.kind === 'stat' ? statNames(task) : readEntry(task),
);
