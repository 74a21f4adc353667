import { once } from 'node:events';
import type { Archiver } from 'archiver';
import type { EntryPath } from '../../domain/entry-path.ts';
import { type Appender, createAppender } from './append-entries.ts';
import type { ArchiveOrder, ArchiveProgress } from './archive-order.ts';
import { entryNameBytesMax } from './entry-fields.ts';
import { chooseManifestName, formatManifest, manifestName, type Omissions } from './omissions.ts';

/** An order with the archive to feed. `signal` also ends the feed when the other end of the archive fails. */
export interface Feed extends Omit<ArchiveOrder, 'sink'> {
  readonly signal: AbortSignal;
  readonly archive: Archiver;
  readonly omissions: Omissions;
  /** Told of read errors, which must end the whole archive. */
  readonly fail: (error: unknown) => void;
}

async function feedPath(
  feed: Feed,
  path: EntryPath,
  appender: Appender,
): Promise<{ hasManifestName: boolean }> {
  const { omissions, signal } = feed;
  let hasManifestName = false;
  for await (const entry of feed.volume.walk(feed.folderId, path, { signal, onSkip: omissions.add })) {
    // The folder itself is the root of the archive and needs no entry.
    if (entry.path.length === 0) continue;
    const name = entry.path.join('/');
    if (name === manifestName) hasManifestName = true;
    if (Buffer.byteLength(name) < entryNameBytesMax) await appender.append(entry);
    else omissions.add({ path: name, reason: 'name_too_long' });
  }
  return { hasManifestName };
}

/** Waits until the library has written everything out. */
async function finishArchive(archive: Archiver, signal: AbortSignal): Promise<void> {
  const ended = once(archive, 'end', { signal });
  // Never settles when the archive is unhooked first; `ended` does.
  archive.finalize().catch(() => undefined);
  await ended;
}

/**
 * Walks the chosen paths and hands their entries to the library, a bounded number ahead of what is written, then ends
 * the archive. Every file is closed when it settles.
 * @throws what the walk or a read throws; an abort error when aborted
 */
export async function feedArchive(feed: Feed): Promise<ArchiveProgress> {
  const { archive, omissions, signal } = feed;
  const appender = createAppender(feed);
  let isManifestNameTaken = false;
  try {
    for (const path of feed.paths) {
      const { hasManifestName } = await feedPath(feed, path, appender);
      isManifestNameTaken ||= hasManifestName;
    }
    // Only then is it known which files turned out short.
    await appender.drained();
    if (omissions.count > 0) {
      const name = chooseManifestName(isManifestNameTaken);
      archive.append(formatManifest(omissions), { name, mode: 0o644, date: new Date() });
    }
    await finishArchive(archive, signal);
  } finally {
    await appender.close();
  }
  return { ...appender.done };
}
