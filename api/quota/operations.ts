import {
  type AdminFolder,
  findAdminFolder,
  listAdminFolders,
  lockFolderQuota,
  updateFolderQuota,
} from '../../db/queries/admin-folders.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { parseId, toHexId } from '../../domain/ids.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { requireUserId } from '../admin/operations.ts';
import { beforeOf } from '../audit/before-of.ts';
import { readIdCursor } from '../http/id-cursor.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

/** A page of folders. */
export interface AdminFolderPage {
  readonly folders: readonly AdminFolder[];
  readonly nextCursor: string | null;
}

function noSuchFolder(): DomainError {
  return domainError('not_found', 'No folder has this id.');
}

/**
 * A page of folders that are live or in the trash, of one owner or all, by id.
 * @throws not_found when there is no such owner; request_malformed for a cursor of no list
 */
export async function readAdminFolders(
  services: Pick<Services, 'db'>,
  request: {
    readonly user: string | undefined;
    readonly cursor: string | undefined;
    readonly limit: number;
  },
): Promise<AdminFolderPage> {
  const { user, cursor, limit } = request;
  const afterId = readIdCursor(cursor);
  const ownerId = await requireUserId(services.db, user);
  const folders = await listAdminFolders(services.db, { ownerId, afterId, limit });
  const last = folders.length === limit ? folders.at(-1) : undefined;
  return { folders, nextCursor: last === undefined ? null : toHexId(last.id) };
}

/** A folder that is live or in the trash, by id: names are each viewer's own. @throws not_found */
export async function readAdminFolder(services: Pick<Services, 'db'>, id: string): Promise<AdminFolder> {
  const folderId = parseId(id);
  const folder = folderId === undefined ? null : await findAdminFolder(services.db, folderId);
  if (folder === null) throw noSuchFolder();
  return folder;
}

/**
 * Asks for a count of any live folder's tree, for administrators; requests of one of them for a folder that is still waiting
 * collapse into one job. @returns the job's id @throws not_found
 */
export async function requestRecount(
  services: Pick<Services, 'db' | 'jobs'>,
  request: { readonly operator: Operator; readonly id: string },
): Promise<string> {
  const { operator, id } = request;
  const { id: folderId, state, volume } = await readAdminFolder(services, id);
  if (state === 'trashed')
    throw domainError('not_found', 'The folder is in the trash, and has nothing to count.');
  const jobId = await services.db.transaction(async (tx) => {
    const enqueued = await services.jobs.enqueue(tx, measureRequest(folderId, volume, operator.actorId));
    await insertAudit(tx, { ...operator, action: 'usage.recount', folderId, subject: enqueued, details: {} });
    return enqueued;
  });
  services.jobs.dispatch([jobId]);
  return jobId;
}

/**
 * Gives a folder other limits, also below what it holds: nothing is lost then, only what would add to it is refused.
 * @throws not_found
 */
export async function changeQuota(
  services: Pick<Services, 'db'>,
  request: {
    readonly operator: Operator;
    readonly id: string;
    readonly quotaBytes: number | undefined;
    readonly quotaFiles: number | undefined;
  },
): Promise<AdminFolder> {
  const { operator, id, ...quota } = request;
  const folderId = parseId(id);
  if (folderId === undefined) throw noSuchFolder();
  return await services.db.transaction(async (tx) => {
    const before = await lockFolderQuota(tx, folderId);
    await updateFolderQuota(tx, { folderId, ...quota });
    const folder = await findAdminFolder(tx, folderId);
    if (before === null || folder === null) throw noSuchFolder();
    const details = { ...quota, before: beforeOf(before, quota) };
    await insertAudit(tx, { ...operator, action: 'quota.change', folderId, details });
    return folder;
  });
}
