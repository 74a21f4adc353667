import type { JobHandlers } from '../jobs/handler.ts';
import { buildArchive } from './build-archive.ts';
import { cloneFolder } from './clone-folder.ts';
import { commitUpload } from './commit-upload.ts';
import { copyEntries } from './copy-entries.ts';
import { expireArchives } from './expire-archives.ts';
import { expireTrash } from './expire-trash.ts';
import { expireUploads } from './expire-uploads.ts';
import { measureUsage } from './measure-usage.ts';
import { moveEntry } from './move-entry.ts';
import { openPathClaimer } from './path-claimer.ts';
import { purgeFolder } from './purge-folder.ts';
import { purgeTrash } from './purge-trash.ts';
import { scheduleUsage } from './schedule-usage.ts';
import type { WorkerServices } from './services.ts';
import { sweepStorage } from './sweep-storage.ts';

/** The code behind every kind of job; a kind without one does not compile. */
export function makeHandlers(given: WorkerServices): JobHandlers {
  const services = { ...given, claimPaths: openPathClaimer(given.db) };
  return {
    'upload.commit': commitUpload(services),
    'entry.move': moveEntry(services),
    'entries.copy': copyEntries(services),
    'folder.clone': cloneFolder(services),
    'trash.purge': purgeTrash(services),
    'folder.purge': purgeFolder(services),
    'archive.build': buildArchive(services),
    'usage.measure': measureUsage(services),
    'uploads.expire': expireUploads(services),
    'archives.expire': expireArchives(services),
    'trash.expire': expireTrash(services),
    'storage.sweep': sweepStorage(services),
    'usage.schedule': scheduleUsage(services),
  };
}
