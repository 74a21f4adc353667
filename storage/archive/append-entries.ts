import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Archiver } from 'archiver';
import type { OpenFile, WalkedEntry } from '../volume.ts';
import type { ArchiveProgress } from './archive-order.ts';
import { type EntryFields, entryFields } from './entry-fields.ts';
import { type ContentHooks, exactBuffer, exactContent } from './exact-content.ts';
import type { Omissions } from './omissions.ts';
import { openOrOmit } from './open-or-omit.ts';

/** Entries handed to the library and not yet written: bounds memory and open files. */
const entriesInFlightMax = 16;
/** Files up to this size are read whole; above, a stream is cheaper. */
const bufferedBytesMax = 64 * 1024;

/** Hands entries to the archive library, a bounded number ahead of what it has written. Not for concurrent use. */
export interface Appender {
  /** Waits for room, then takes one file or directory; one that cannot be opened any more becomes an omission. */
  append(entry: WalkedEntry): Promise<void>;
  /** Waits until everything taken is written. */
  drained(): Promise<void>;
  /** Stops reading and closes every file. */
  close(): Promise<void>;
  readonly done: ArchiveProgress;
}

/** What an {@link Appender} works on. */
export interface AppenderOptions {
  readonly archive: Archiver;
  readonly omissions: Omissions;
  readonly signal: AbortSignal;
  /** Told of read errors, which must end the whole archive. */
  readonly fail: (error: unknown) => void;
  readonly onProgress?: ((done: ArchiveProgress) => void) | undefined;
}

interface OpenSource {
  readonly file: OpenFile;
  readonly source: Readable;
}

/** Counts the entries in flight; the library writes them one by one, in the order they were appended. */
function openWindow(archive: Archiver, signal: AbortSignal) {
  let inFlight = 0;
  archive.on('entry', () => {
    inFlight -= 1;
  });
  const waitBelow = async (limit: number): Promise<void> => {
    while (inFlight >= limit) await once(archive, 'entry', { signal });
    signal.throwIfAborted();
  };
  return {
    waitBelow,
    take: () => {
      inFlight += 1;
    },
  };
}

/** Streams of entries that the library has not finished, each with the file that must outlive its last read. */
function trackSources({ archive, fail }: AppenderOptions) {
  const open = new Set<OpenSource>();
  return {
    append(file: OpenFile, source: Readable, fields: EntryFields): void {
      const opened = { file, source };
      open.add(opened);
      source.on('error', fail);
      source.once('close', () => {
        open.delete(opened);
        // A failing close after the last read loses nothing; the descriptor is gone either way.
        file.close().catch(() => undefined);
      });
      archive.append(source, fields);
    },
    async close(): Promise<void> {
      for (const { file, source } of open) {
        source.destroy();
        // How the last read ended does not matter any more, only that it has.
        await finished(source, { cleanup: true }).catch(() => undefined);
        await file.close();
      }
    },
  };
}

async function appendFile(
  { archive }: AppenderOptions,
  entry: WalkedEntry,
  { file, hooks, sources }: { file: OpenFile; hooks: ContentHooks; sources: ReturnType<typeof trackSources> },
): Promise<void> {
  // The size that counts is that of the opened file; the walk's is older.
  const { sizeBytes } = file.stat;
  const fields = entryFields({ path: entry.path, stat: file.stat, sizeBytes });
  if (sizeBytes > bufferedBytesMax) {
    sources.append(file, exactContent(file, sizeBytes, hooks), fields);
    return;
  }
  try {
    archive.append(await exactBuffer(file, sizeBytes, hooks), fields);
  } finally {
    await file.close();
  }
}

/** An appender for one archive. Its `close` must be awaited at the end, whatever the end is. */
export function createAppender(options: AppenderOptions): Appender {
  const { archive, omissions } = options;
  const window = openWindow(archive, options.signal);
  const sources = trackSources(options);
  const done = { entries: 0, bytes: 0 };
  const report = () => options.onProgress?.({ ...done });
  const hooksFor = (path: string): ContentHooks => ({
    onBytes: (count) => {
      done.bytes += count;
      report();
    },
    onShort: () => omissions.add({ path, reason: 'shortened' }),
  });
  const take = () => {
    window.take();
    done.entries += 1;
    report();
  };
  return {
    done,
    async append(entry) {
      await window.waitBelow(entriesInFlightMax);
      if (entry.stat.kind === 'directory') {
        take();
        archive.append('', entryFields({ path: entry.path, stat: entry.stat, sizeBytes: 0 }));
        return;
      }
      const file = await openOrOmit(entry, omissions);
      if (file === undefined) return;
      take();
      await appendFile(options, entry, { file, hooks: hooksFor(entry.path.join('/')), sources });
    },
    drained: () => window.waitBelow(1),
    close: () => sources.close(),
  };
}
