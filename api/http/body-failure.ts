import type { IncomingMessage } from 'node:http';
import type { DomainError } from '../../domain/errors.ts';

/** Keyed by the message, so that this is a property of it that Node's own type has no room for. */
const failures = new WeakMap<IncomingMessage, DomainError>();

/**
 * Ends a body that cannot be read any further, without ending the connection: whoever reads it fails with `error`,
 * and the answer still gets out. `destroy` would take the connection along. The first failure of a body counts.
 */
export function failBody(incoming: IncomingMessage, error: DomainError): void {
  if (failures.has(incoming) || incoming.destroyed) return;
  failures.set(incoming, error);
  incoming.emit('error', error);
}

/** What the body failed with; for readers that come after the fact. */
export function bodyFailureOf(incoming: IncomingMessage): DomainError | undefined {
  return failures.get(incoming);
}
