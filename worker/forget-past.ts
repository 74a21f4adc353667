import { deleteExpiredTokens } from '../db/queries/api-tokens.ts';
import { deleteOldAudit } from '../db/queries/audit.ts';
import { deleteOldKeys } from '../db/queries/idempotency-keys.ts';
import { deleteAnsweredInvitations } from '../db/queries/invitations.ts';
import { deleteOldLinkReaders } from '../db/queries/link-uses.ts';
import { deleteExpiredLinks } from '../db/queries/links.ts';
import { deleteRateCounts } from '../db/queries/rate-counts.ts';
import { deleteSeenSignatures } from '../db/queries/seen-signatures.ts';
import { deleteExpiredTransferTokens, deleteTransferTokenCounts } from '../db/queries/transfer-tokens.ts';
import { auditDaysDefault } from '../domain/audit.ts';
import { rateSpanOf } from '../domain/rate-window.ts';
import { contentSkewMsMax } from '../domain/signature.ts';
import { forgetRows } from './forget-rows.ts';
import { historyDays } from './history-days.ts';
import type { WorkerServices } from './services.ts';

/** Twice the skew: from a date that is still ahead to the moment it is too old. */
const signatureMinutes = (2 * contentSkewMsMax) / 60_000;

/** How many rows were forgotten, by table. */
export type Forgotten = Readonly<Record<string, number>>;

/** Forgets what requests left behind and nobody looks at any more. Safe to repeat, at any time and concurrently. */
export async function forgetPast(
  {
    db,
    auditDays: days = auditDaysDefault,
    forgetBatchesMax: batchesMax,
  }: Pick<WorkerServices, 'db' | 'auditDays' | 'forgetBatchesMax'>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Forgotten> {
  const rows = { batchesMax, signal };
  return {
    api_tokens: await deleteExpiredTokens(db),
    idempotency_keys: await deleteOldKeys(db),
    seen_signatures: await deleteSeenSignatures(db, signatureMinutes),
    // The span before the current one still counts, and clocks differ.
    rate_counts: await deleteRateCounts(db, rateSpanOf(Date.now()) - 2),
    transfer_tokens: await forgetRows(rows, (limit) => deleteExpiredTransferTokens(db, limit)),
    transfer_token_counts: await forgetRows(rows, (limit) => deleteTransferTokenCounts(db, limit)),
    links: await forgetRows(rows, (limit) => deleteExpiredLinks(db, limit)),
    link_readers: await forgetRows(rows, (limit) => deleteOldLinkReaders(db, limit)),
    invitations: await forgetRows(rows, (limit) =>
      deleteAnsweredInvitations(db, { days: historyDays, limit }),
    ),
    audit_entries: await forgetRows(rows, (limit) => deleteOldAudit(db, { days, limit })),
  };
}
