import { index, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import type { AuditAction, AuditDetails } from '../../domain/audit.ts';

/**
 * Who changed what, written in the transaction of the change. Ids are version 7, so their order is that of time. Nothing
 * refers to other tables: an entry outlives what it speaks of.
 */
export const auditEntries = pgTable(
  'audit_entries',
  {
    id: uuid('id').primaryKey(),
    at: timestamp('at', { withTimezone: true }).notNull().defaultNow(),
    actorId: uuid('actor_id').notNull(),
    action: text('action').$type<AuditAction>().notNull(),
    folderId: uuid('folder_id'),
    /** What else it was done to: the id of a user, a job, a worker or an invitation, an access key, a policy, a queue, a volume. */
    subject: text('subject'),
    /** The request that did it, as in its reply and in the logs; not known of every entry. */
    requestId: text('request_id'),
    details: jsonb('details').$type<AuditDetails>().notNull(),
  },
  (table) => [
    index('audit_entries_at_idx').on(table.at),
    index('audit_entries_actor_idx').on(table.actorId, table.id),
    index('audit_entries_folder_idx').on(table.folderId, table.id),
    index('audit_entries_action_idx').on(table.action, table.id),
    index('audit_entries_subject_idx').on(table.subject, table.id),
  ],
);
