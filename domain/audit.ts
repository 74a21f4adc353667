/** What is written into the audit log, each `noun.verb`. */
export const auditActions = [
  'user.create',
  'user.change',
  'keypair.create',
  'keypair.change',
  'keypair.rotate',
  'keypair.remove',
  'policy.create',
  'policy.change',
  'policy.remove',
  'quota.change',
  'usage.recount',
  'queue.change',
  'job.cancel',
  'job.retry',
  'worker.drain',
  'worker.resume',
  'volume.change',
  'session.begin',
  'folder.create',
  'folder.clone',
  'folder.delete',
  'folder.restore',
  'folder.purge',
  'folder.transfer',
  'mount.begin',
  'mount.end',
  'invitation.send',
  'invitation.accept',
  'invitation.reject',
  'invitation.change',
  'invitation.cancel',
  'link.create',
  'link.use',
  'link.revoke',
  'member.change',
  'member.remove',
  'member.leave',
] as const;

/** One of {@link auditActions}. */
export type AuditAction = (typeof auditActions)[number];

type AuditValue = string | number | boolean | null | readonly string[];

/** Plain facts by name. */
export type AuditRecord = Readonly<Record<string, AuditValue>>;

/** What an entry says beyond who, what and where; never a secret. `before` has what was changed as it was. */
export type AuditDetails = Readonly<Record<string, AuditValue | AuditRecord>>;

/** How long entries are kept unless the installation says otherwise. */
export const auditDaysDefault = 90;
