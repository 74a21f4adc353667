/** Archives of one user that may wait or be built at the same time. */
export const archivesOpenMax = 32;
/** Archives that one user may have stored, those being built included. */
export const archivesStoredMax = 1_000;
/** Bytes of stored archives with which a user gets no further one: 64 GiB. */
export const archiveBytesMax = 64 * 1024 ** 3;

/** What a user's archives come to at the moment. */
export interface ArchiveUse {
  readonly open: number;
  readonly stored: number;
  readonly storedBytes: number;
}

/** Why a user may not have another archive now: `open` passes by itself, `stored` does when one expires or is deleted. */
export function archiveLimitReached(use: ArchiveUse): 'open' | 'stored' | null {
  if (use.open >= archivesOpenMax) return 'open';
  const isFull = use.stored + use.open >= archivesStoredMax || use.storedBytes >= archiveBytesMax;
  return isFull ? 'stored' : null;
}
