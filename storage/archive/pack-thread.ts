import { type Done, serveTasks } from '../threads/serve-tasks.ts';
import { packFiles } from './pack-files.ts';
import { packPart } from './pack-part.ts';
import type { Packed, PackTask } from './pack-tasks.ts';

/** The script of a packing thread. It gets descriptors and bytes, never a path. */
serveTasks((task: PackTask): Done<Packed> => {
  switch (task.kind) {
    case 'files':
      return packFiles(task);
    case 'part':
      return packPart(task);
  }
});
