import { randomUUID } from 'node:crypto';
import { parseEntryPath } from '../domain/entry-path.ts';
import { writeArchive } from '../storage/archive/write-archive.ts';
import { openPosixVolume } from '../storage/posix/posix-volume.ts';

// A process that makes one zip of a folder and prints its memory: before, with its threads warm, and at the highest.
// It gets the root of the volume, a folder to warm up with, and the folder to archive.
const [root = '', warmId = '', folderId = ''] = process.argv.slice(2);
const mib = 1024 * 1024;

const volume = await openPosixVolume({ name: 'bench', root });
const order = { volume, paths: [parseEntryPath('', 'read')], format: 'zip' as const };

/** As the job does it: into the archive area, synced and published. */
async function build(id: string): Promise<void> {
  const archiveId = randomUUID();
  const { sink, flush, finish } = await volume.createArchive(archiveId);
  await writeArchive({ ...order, folderId: id, sink, flushSink: flush });
  await finish();
  await volume.removeArchive(archiveId);
}

await build(warmId);
const warm = process.memoryUsage.rss();
let peak = warm;
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 20);
await build(folderId);
clearInterval(timer);
await volume.close();
process.stdout.write(JSON.stringify({ growthMiB: (peak - warm) / mib, peakMiB: peak / mib }));
