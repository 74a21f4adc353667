/** How long finished jobs and uploads, and invitations that were answered, are kept; the audit log tells of them for longer. */
export const historyDays = 30;
