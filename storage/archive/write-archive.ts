import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { Archiver } from 'archiver';
import type { ArchiveOrder, ArchiveSummary } from './archive-order.ts';
import { feedArchive } from './feed-archive.ts';
import { gatherOmissions } from './omissions.ts';
import { writeZip } from './write-zip.ts';

// LAN links outrun deflate at its default level; level 1 is the one that keeps up.
const relayBytes = 256 * 1024;
const compression = { level: constants.Z_BEST_SPEED };

/** Loaded with the first tar, because it takes longer to load than most of the rest of a process. */
async function openTar(): Promise<Archiver> {
  const { TarArchive } = await import('archiver');
  return new TarArchive();
}

/**
 * The library's end of the archive, apart from the streams that may be destroyed: destroying the library's own makes it
 * throw where nobody can catch (tar-stream's entries have no error listener, and its queue goes on). On failure it is
 * unhooked and left to the garbage collector.
 */
function relayOf(archive: Archiver, onError: (error: unknown) => void) {
  const relay = new PassThrough({ highWaterMark: relayBytes });
  archive.on('error', onError);
  archive.pipe(relay);
  return {
    relay,
    unhook(): void {
      archive.unpipe(relay);
      archive.pause();
    },
  };
}

/** Writes a tar by way of the library. */
async function writeTar(order: ArchiveOrder): Promise<ArchiveSummary> {
  const stop = new AbortController();
  const signal = order.signal === undefined ? stop.signal : AbortSignal.any([order.signal, stop.signal]);
  const failures: unknown[] = [];
  const fail = (error: unknown) => {
    failures.push(error);
    stop.abort(error);
  };
  // Until the pipeline listens.
  order.sink.once('error', fail);
  const archive = await openTar();
  const { relay, unhook } = relayOf(archive, fail);
  signal.addEventListener('abort', unhook, { once: true });
  if (signal.aborted) unhook();
  const stages =
    order.format === 'tar.gz' ? [relay, createGzip(compression), order.sink] : [relay, order.sink];
  const omissions = gatherOmissions(order.onSkip);
  const flowed = pipeline(stages, { signal }).catch(fail);
  const fed = feedArchive({ ...order, signal, archive, omissions, fail }).catch(fail);
  const [done] = await Promise.all([fed, flowed]);
  if (failures.length > 0 || done === undefined) {
    order.signal?.throwIfAborted();
    throw failures[0];
  }
  return { ...done, skipped: omissions.listed, skippedCount: omissions.count };
}

/**
 * Writes an archive of regular files and directories into `sink`, in memory that does not grow with their sizes (a zip
 * keeps its directory of entries until the end). Headers are true whatever happens to the files meanwhile: growth is
 * cut, shrinkage filled with zeros. Omissions are said in a last entry, `VFOLDER-SKIPPED.txt`.
 * When it settles, every file it opened is closed. On failure `sink` is destroyed, so a reader notices.
 * @throws entry_not_found when a chosen path is gone; volume_unavailable on a read error; `signal.reason` when aborted
 */
export function writeArchive(order: ArchiveOrder): Promise<ArchiveSummary> {
  return order.format === 'zip' ? writeZip(order) : writeTar(order);
}
