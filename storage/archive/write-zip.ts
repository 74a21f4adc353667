import type { ArchiveOrder, ArchiveSummary } from './archive-order.ts';
import { chooseManifestName, formatManifest, gatherOmissions, manifestName } from './omissions.ts';
import { openOutput } from './output.ts';
import { createZipWriter, type ZipWriter } from './zip-writer.ts';

type ZipOrder = Omit<ArchiveOrder, 'format'>;

/** Adds everything below the chosen paths. @returns whether an entry has the name that the manifest would have */
async function addPaths(
  order: ZipOrder,
  writer: ZipWriter,
  signal: AbortSignal,
  onSkip: ArchiveOrder['onSkip'],
) {
  let isManifestNameTaken = false;
  const options = { signal, ...(onSkip === undefined ? {} : { onSkip }) };
  for (const path of order.paths) {
    for await (const entry of order.volume.walk(order.folderId, path, options)) {
      // The folder itself is the root of the archive and needs no entry.
      if (entry.path.length === 0) continue;
      if (entry.path.length === 1 && entry.path[0] === manifestName) isManifestNameTaken = true;
      await writer.add(entry);
    }
  }
  return { isManifestNameTaken };
}

/**
 * Writes a zip of regular files and directories into `order.sink`; what is promised is said at `writeArchive`. Content
 * is read and deflated in the volume's threads and written in the order of the walk.
 */
export async function writeZip(order: ZipOrder): Promise<ArchiveSummary> {
  const omissions = gatherOmissions(order.onSkip);
  const output = openOutput(order);
  const { packer } = order.volume;
  const writer = createZipWriter({ output, packer, omissions, onProgress: order.onProgress });
  try {
    const { isManifestNameTaken } = await addPaths(order, writer, output.signal, omissions.add);
    // Only then is it known which files turned out short.
    await writer.drain();
    if (omissions.count > 0) {
      await writer.addText(chooseManifestName(isManifestNameTaken), formatManifest(omissions));
    }
    await writer.finish();
    await output.end();
  } catch (error) {
    output.fail(error);
    order.signal?.throwIfAborted();
    throw error;
  } finally {
    await writer.settle();
  }
  return { ...writer.done, skipped: omissions.listed, skippedCount: omissions.count };
}
