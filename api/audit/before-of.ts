import type { AuditRecord } from '../../domain/audit.ts';

/** Of what a change found only that which it sets: the `before` of its entry in the audit log. */
export function beforeOf(found: AuditRecord, change: object): AuditRecord {
  const changed = new Set(
    Object.entries(change).flatMap(([key, value]) => (value === undefined ? [] : [key])),
  );
  return Object.fromEntries(Object.entries(found).filter(([key]) => changed.has(key)));
}
