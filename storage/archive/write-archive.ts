import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { type Archiver, TarArchive, ZipArchive } from 'archiver';
import type { ArchiveOrder, ArchiveSummary } from './archive-order.ts';
import type { ArchiveFormat } from './entry-fields.ts';
import { feedArchive } from './feed-archive.ts';
import { gatherOmissions } from './omissions.ts';

// LAN links outrun deflate at its default level; level 1 is the one that keeps up.
const compression = { level: constants.Z_BEST_SPEED };

function openArchiver(format: ArchiveFormat): Archiver {
  return format === 'zip' ? new ZipArchive({ zlib: compression }) : new TarArchive();
}

/**
 * Writes an archive of regular files and directories into `sink`, in memory that does not grow with their sizes (a zip
 * keeps its directory of entries until the end). Headers are true whatever happens to the files meanwhile: growth is
 * cut, shrinkage filled with zeros. Omissions are said in a last entry, `VFOLDER-SKIPPED.txt`.
 * When it settles, every file it opened is closed. On failure `sink` is destroyed, so a reader notices.
 * @throws entry_not_found when a chosen path is gone; volume_unavailable on a read error; `signal.reason` when aborted
 */
export async function writeArchive(order: ArchiveOrder): Promise<ArchiveSummary> {
  const stop = new AbortController();
  const signal = order.signal === undefined ? stop.signal : AbortSignal.any([order.signal, stop.signal]);
  const archive = openArchiver(order.format);
  // The library may still report trouble of an entry after the pipeline has let go of it.
  archive.on('error', () => undefined);
  const stages =
    order.format === 'tar.gz' ? [archive, createGzip(compression), order.sink] : [archive, order.sink];
  const failures: unknown[] = [];
  const note = (error: unknown) => {
    failures.push(error);
    stop.abort(error);
  };
  const omissions = gatherOmissions(order.onSkip);
  const fed = feedArchive({ ...order, signal, archive, omissions }).catch((error: unknown) => {
    note(error);
    return { entries: 0, bytes: 0 };
  });
  const flowed = pipeline(stages, { signal }).catch(note);
  const [done] = await Promise.all([fed, flowed]);
  if (failures.length > 0) {
    order.signal?.throwIfAborted();
    throw failures[0];
  }
  return { ...done, skipped: omissions.listed, skippedCount: omissions.count };
}
