import { type AuditEntry, type AuditFilter, listAudit } from '../../db/queries/audit.ts';
import type { AuditAction } from '../../domain/audit.ts';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { requireUserId } from '../admin/operations.ts';
import { readFolderFilter } from '../http/folder-filter.ts';
import type { Services } from '../services.ts';

const entriesPerRead = 500;

/** Which entries somebody asks for, as they wrote it. */
export interface AuditRequest {
  readonly actor: string | undefined;
  readonly action: AuditAction | undefined;
  readonly folder: string | undefined;
  readonly subject: string | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

function readCursor(text: string | undefined): string | undefined {
  const id = text === undefined ? undefined : parseId(text);
  if (text === undefined || id !== undefined) return id;
  const detail = 'The cursor is not one of this list.';
  throw domainError('request_malformed', detail, { errors: [{ pointer: '/cursor', detail }] });
}

/**
 * Makes out whom and what a request means.
 * @throws not_found when there is no such actor; request_malformed when the folder is no id
 */
export async function readFilter(
  services: Pick<Services, 'db'>,
  request: AuditRequest,
): Promise<AuditFilter> {
  const { actor, action, subject, since, until } = request;
  const actorId = await requireUserId(services.db, actor);
  return { actorId, action, folderId: readFolderFilter(request.folder), subject, since, until };
}

/** A page of the audit log, newest first. @throws not_found, request_malformed */
export async function readAudit(
  services: Pick<Services, 'db'>,
  request: AuditRequest & { readonly cursor: string | undefined; readonly limit: number },
): Promise<{ readonly entries: readonly AuditEntry[]; readonly nextCursor: string | null }> {
  const filter = await readFilter(services, request);
  const { limit } = request;
  const beforeId = readCursor(request.cursor);
  const entries = await listAudit(services.db, { ...filter, beforeId, limit });
  return { entries, nextCursor: entries.length === limit ? (entries.at(-1)?.id ?? null) : null };
}

/** All entries that a filter means, newest first, in bounded memory. */
export async function* eachEntry(
  services: Pick<Services, 'db'>,
  filter: AuditFilter,
  signal: AbortSignal,
): AsyncGenerator<readonly AuditEntry[]> {
  let beforeId: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const entries = await listAudit(services.db, { ...filter, beforeId, limit: entriesPerRead });
    if (entries.length > 0) yield entries;
    if (entries.length < entriesPerRead) return;
    beforeId = entries.at(-1)?.id;
  }
}
