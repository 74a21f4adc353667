import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parseEntryPath } from '../domain/entry-path.ts';
import { openPosixVolume } from '../storage/posix/posix-volume.ts';

// A process that purges one tree and prints how long it took, the most memory that it had, and that each of its walkers had.
// It gets the root of the volume, a folder, and the name of the tree in it.
const [root = '', folderId = '', name = ''] = process.argv.slice(2);

function peakMiB(pid: number | string): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function childIds(): readonly string[] {
  const threads = readdirSync('/proc/self/task');
  const lists = threads.map((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'utf8'));
  return lists.flatMap((list) => list.split(' ').filter((pid) => pid !== ''));
}

const volume = await openPosixVolume({ name: 'bench', root });
const trashId = randomUUID();
await volume.createTrash(folderId, trashId);
await volume.trashEntry(folderId, parseEntryPath(name, 'read'), trashId, 0);
const startedAt = performance.now();
await volume.purgeTrash(folderId, trashId);
const ms = performance.now() - startedAt;
const walkersMiB = childIds().map(peakMiB);
await volume.close();
process.stdout.write(JSON.stringify({ ms, leaderMiB: peakMiB('self'), walkersMiB }));
