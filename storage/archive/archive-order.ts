import type { Writable } from 'node:stream';
import type { EntryPath } from '../../domain/entry-path.ts';
import type { ReadableVolume, SkippedEntry } from '../volume.ts';
import type { ArchiveFormat } from './entry-fields.ts';

/** What to archive and where to. `paths` are files or directories; names in the archive start at the folder's root. */
export interface ArchiveOrder {
  readonly volume: ReadableVolume;
  readonly folderId: string;
  readonly paths: readonly EntryPath[];
  readonly format: ArchiveFormat;
  /** Ended when the archive is whole, destroyed when it cannot be; never ended otherwise. */
  readonly sink: Writable;
  /**
   * Resolves when the sink keeps nothing that it has called back for: then the memory of large numbers of records is used
   * again, and that of an archive does not grow at its end. Without it each chunk is left to the garbage collector.
   */
  readonly flushSink?: () => Promise<void>;
  readonly signal?: AbortSignal;
  /** Totals so far, called for every chunk and entry: throttle at the receiver. */
  readonly onProgress?: (done: ArchiveProgress) => void;
  readonly onSkip?: (entry: SkippedEntry) => void;
}

/** Entries and raw file bytes read so far. */
export interface ArchiveProgress {
  readonly entries: number;
  readonly bytes: number;
}

/** What went into an archive; `skipped` are the first 1,000 of `skippedCount` omissions. */
export interface ArchiveSummary extends ArchiveProgress {
  readonly skipped: readonly SkippedEntry[];
  readonly skippedCount: number;
}
