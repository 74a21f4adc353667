import type { Database } from '../../db/client.ts';
import type { PosixVolume } from '../../storage/posix/posix-volume.ts';
import type { WorkerServices } from '../../worker/services.ts';
import type { Finding, Found } from './findings.ts';

/** A volume under examination. */
export interface VolumeCase {
  readonly db: Database;
  /** One connection, for what has to come from one session. */
  readonly session: Database;
  readonly volume: PosixVolume;
  readonly jobs: WorkerServices['jobs'];
  /** Takes findings as they come, and mends them if that is wanted. */
  report(found: Found): Promise<void>;
  /** Notes a folder that changed each time it was looked at, so that nothing can be said about its counters. */
  skip(folderId: string): void;
}

/** Makes findings of one folder. */
export function aboutFolder(
  volume: string,
  folderId: string,
): (finding: Pick<Finding, 'code' | 'detail'> & { readonly path?: string }) => Finding {
  return ({ code, detail, path }) => ({ code, volume, folderId, path: path ?? null, detail });
}
