import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import type { AuditAction, AuditDetails } from '../../domain/audit.ts';
import type { Executor } from '../client.ts';
import { auditEntries } from '../schema/audit-entries.ts';
import { users } from '../schema/users.ts';

/**
 * An entry about to be written. `subject` is what it was done to besides a folder; details that are `undefined` are left out,
 * the names of the others are kept as the wire spells them.
 */
export interface NewAuditEntry {
  readonly actorId: string;
  readonly action: AuditAction;
  readonly folderId?: string;
  readonly subject?: string;
  readonly requestId?: string;
  readonly details?: Readonly<Record<string, AuditDetails[string] | undefined>>;
}

/** An entry with the address of who did it. */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly actorId: string;
  readonly actorEmail: string | null;
  readonly action: AuditAction;
  readonly folderId: string | null;
  readonly subject: string | null;
  readonly requestId: string | null;
  readonly details: AuditDetails;
}

/** Which entries are meant; `undefined` leaves a condition out. From `since` on and before `until`. */
export interface AuditFilter {
  readonly actorId: string | undefined;
  readonly action: AuditAction | undefined;
  readonly folderId: string | undefined;
  readonly subject: string | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

function wireName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function withWireNames(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [wireName(name), inner]));
}

/** Writes an entry; in the transaction of the change, so that neither is there without the other. */
export async function insertAudit(tx: Executor, entry: NewAuditEntry): Promise<void> {
  const { actorId, action, folderId, subject, requestId, details } = entry;
  // JSON has no undefined, so what is left out is not there.
  const given: AuditDetails = JSON.parse(JSON.stringify(details ?? {}, withWireNames));
  await tx.insert(auditEntries).values({
    id: uuidv7(),
    actorId,
    action,
    folderId: folderId ?? null,
    subject: subject ?? null,
    requestId: requestId ?? null,
    details: given,
  });
}

/** Up to `limit` entries older than `beforeId`, newest first; pages by key. */
export async function listAudit(
  db: Executor,
  page: AuditFilter & { readonly beforeId: string | undefined; readonly limit: number },
): Promise<AuditEntry[]> {
  const { actorId, action, folderId, subject, since, until, beforeId } = page;
  return await db
    .select({
      id: auditEntries.id,
      at: auditEntries.at,
      actorId: auditEntries.actorId,
      actorEmail: users.email,
      action: auditEntries.action,
      folderId: auditEntries.folderId,
      subject: auditEntries.subject,
      requestId: auditEntries.requestId,
      details: auditEntries.details,
    })
    .from(auditEntries)
    .leftJoin(users, eq(users.id, auditEntries.actorId))
    .where(
      and(
        actorId === undefined ? undefined : eq(auditEntries.actorId, actorId),
        action === undefined ? undefined : eq(auditEntries.action, action),
        folderId === undefined ? undefined : eq(auditEntries.folderId, folderId),
        subject === undefined ? undefined : eq(auditEntries.subject, subject),
        since === undefined ? undefined : gte(auditEntries.at, since),
        until === undefined ? undefined : lt(auditEntries.at, until),
        beforeId === undefined ? undefined : lt(auditEntries.id, beforeId),
      ),
    )
    .orderBy(desc(auditEntries.id))
    .limit(page.limit);
}

/** Forgets up to `limit` entries older than `days`; uses `audit_entries_at_idx`. */
export async function deleteOldAudit(
  db: Executor,
  { days, limit }: { readonly days: number; readonly limit: number },
): Promise<number> {
  const gone = await db.execute(sql`
    DELETE FROM audit_entries WHERE id IN (
      SELECT id FROM audit_entries WHERE at < now() - make_interval(days => ${days}::int) LIMIT ${limit}
    )`);
  return gone.count;
}
