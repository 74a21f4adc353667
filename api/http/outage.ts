/** Codes that say a part of ours (database, queue) is away or overloaded, rather than that we did something wrong. */
const outageCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  // Of the postgres driver.
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  // SQLSTATE: too many connections, shutdown, crash, starting up; deadlock, serialisation, lock wait: all pass.
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '40001',
  '40P01',
  '55P03',
]);
/** Longest chain of causes that is looked at; a cycle of causes ends here too. */
const causeDepthMax = 8;

function isOutageCode(error: Error): boolean {
  if (!('code' in error) || typeof error.code !== 'string') return false;
  // A missing socket of the database is an outage, any other missing file is a fault of ours.
  if (error.code === 'ENOENT') return 'syscall' in error && error.syscall === 'connect';
  return outageCodes.has(error.code) || error.code.startsWith('08');
}

/** The error and its causes, outermost first. */
function causesOf(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  let current = error;
  while (current instanceof Error && chain.length < causeDepthMax) {
    chain.push(current);
    current = current.cause;
  }
  return chain;
}

/** Tells whether an error means that a part the service needs could not be reached, now, through no fault of the request. */
export function isOutage(error: unknown): boolean {
  return causesOf(error).some(
    (cause) => isOutageCode(cause) || (cause instanceof AggregateError && cause.errors.some(isOutage)),
  );
}
