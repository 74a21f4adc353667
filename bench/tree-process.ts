import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parseEntryPath } from '../domain/entry-path.ts';
import { writeArchive } from '../storage/archive/write-archive.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';

// A process with a volume of its own that does what it is told and answers the milliseconds it took; whoever starts it
// chooses its environment. It gets the root of the volume.
const [root = ''] = process.argv.slice(2);

const orderSchema = z.discriminatedUnion('verb', [
  z.object({ verb: z.literal('measure'), folderId: z.string() }),
  z.object({ verb: z.literal('purge'), folderId: z.string(), trashId: z.string() }),
  z.object({ verb: z.literal('zip'), folderId: z.string() }),
]);

async function zip(volume: PosixVolume, folderId: string): Promise<void> {
  const id = randomUUID();
  const target = await volume.createArchive(id);
  await writeArchive({
    volume,
    folderId,
    paths: [parseEntryPath('', 'read')],
    format: 'zip',
    sink: target.sink,
  });
  await target.finish();
  await volume.removeArchive(id);
}

async function run(volume: PosixVolume, message: unknown): Promise<void> {
  const order = orderSchema.parse(message);
  if (order.verb === 'measure') await volume.measure(order.folderId);
  else if (order.verb === 'purge') await volume.purgeTrash(order.folderId, order.trashId);
  else await zip(volume, order.folderId);
}

async function answer(volume: PosixVolume, message: unknown): Promise<void> {
  const startedAt = performance.now();
  await run(volume, message);
  process.send?.({ ms: performance.now() - startedAt });
}

const volume = await openPosixVolume({ name: 'bench', root });
process.on('message', (message) => void answer(volume, message));
process.on('disconnect', () => process.exit());
process.send?.({ ms: 0 });
