/** Codes of the driver and of the system. */
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
]);

/**
 * Classes of SQLSTATE (PostgreSQL, appendix A) that are about the server and not about the statement: connections, resources that
 * ran out, an operator's intervention (a statement that takes too long is cancelled so), failures of its system.
 */
const serverClasses = new Set(['08', '53', '57', '58']);
/** The server is a standby, for the time being or since a failover; a transaction, or a session in one, was too slow. */
const serverCodes = new Set(['25006', '25P03', '25P04']);
/** What a server refuses a connection for as long as nobody changes its settings or ours: authorization, no such database. */
const refusalClasses = new Set(['28', '3D']);

/** Deepest cause that is looked at, so that causes which name each other end, too. */
const causeDepthMax = 8;

const conflictCodes = new Set(['40001', '40P01', '55P03']);

function isServerFailure(error: Error, code: string): boolean {
  if (!/^[0-9A-Z]{5}$/.test(code)) return false;
  const kind = code.slice(0, 2);
  if (serverClasses.has(kind) || serverCodes.has(code)) return true;
  return 'severity' in error && error.severity === 'FATAL' && !refusalClasses.has(kind);
}

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
    if (lostCodes.has(code) || isSocketMissing || isServerFailure(cause, code)) return 'lost';
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
