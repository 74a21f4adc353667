import { findFolderUsage } from '../../db/queries/usage.ts';
import { directoriesMaxOf } from '../../domain/quota.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { folderNotFound, loadFolder } from '../authorize.ts';
import type { Services } from '../services.ts';

/** Usage of a folder as members see it; bytes and regular files. */
export interface UsageView {
  readonly live: { readonly bytes: number; readonly files: number };
  readonly reserved: { readonly bytes: number; readonly files: number };
  readonly trash: { readonly bytes: number; readonly files: number };
  readonly limit: { readonly bytes: number; readonly files: number };
  /** Those in the tree, in the trash and of open copies together, and how many there may be. */
  readonly directories: { readonly held: number; readonly limit: number };
  /** When the tree was last counted; the counters follow every change made through the service since. */
  readonly as_of: string;
}

/** Reads the counters, O(1). @throws not_found */
export async function readUsage(
  services: Services,
  request: { readonly userId: string; readonly nameOrId: string },
): Promise<UsageView> {
  const folder = await loadFolder(services, { ...request, right: 'read' });
  const usage = await findFolderUsage(services.db, folder.id);
  if (usage === null) throw folderNotFound();
  return {
    live: { bytes: usage.usedBytes, files: usage.usedFiles },
    reserved: { bytes: usage.reservedBytes, files: usage.reservedFiles },
    trash: { bytes: usage.trashBytes, files: usage.trashFiles },
    limit: { bytes: usage.quotaBytes, files: usage.quotaFiles },
    directories: { held: usage.directories, limit: directoriesMaxOf(usage) },
    as_of: usage.usageAsOf.toISOString(),
  };
}

/**
 * Asks for a count of the folder's tree; requests for a folder that is still waiting collapse into one job.
 * @returns the job's id @throws not_found
 */
export async function requestMeasure(
  services: Services,
  request: { readonly userId: string; readonly nameOrId: string },
): Promise<string> {
  const folder = await loadFolder(services, { ...request, right: 'write' });
  const jobId = await services.jobs.enqueue(
    services.db,
    measureRequest(folder.id, folder.volume, request.userId),
  );
  services.jobs.dispatch([jobId]);
  return jobId;
}
