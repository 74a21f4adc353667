const lostCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  '57P01',
  '57P02',
  '57P03',
  '25P03',
  '08000',
  '08003',
  '08006',
  '53300',
]);

/** Deepest cause that is looked at, so that causes which name each other end, too. */
const causeDepthMax = 8;

const conflictCodes = new Set(['40001', '40P01', '55P03']);

/**
 * What a failed statement means for its transaction: `lost` leaves open whether a commit happened, `conflict` means it
 * did not and may be repeated at once, `other` will fail again.
 */
export function failureOf(error: unknown): 'lost' | 'conflict' | 'other' {
  let cause = error;
  for (let depth = 0; depth < causeDepthMax && cause instanceof Error; depth += 1, cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : '';
    // A missing socket of the database; any other missing file has nothing to do with it.
    const isSocketMissing = code === 'ENOENT' && 'syscall' in cause && cause.syscall === 'connect';
    if (lostCodes.has(code) || isSocketMissing) return 'lost';
    if (conflictCodes.has(code)) return 'conflict';
  }
  return 'other';
}

/** The unique constraint or index that a statement would have broken, or `undefined` for any other failure. */
export function violatedConstraint(error: unknown): string | undefined {
  let cause = error;
  for (let depth = 0; depth < causeDepthMax && cause instanceof Error; depth += 1, cause = cause.cause) {
    if ('code' in cause && cause.code === '23505' && 'constraint_name' in cause)
      return String(cause.constraint_name);
  }
  return undefined;
}
