import type { Executor } from '../db/client.ts';
import { bindKeyJobs, type KeyJob } from '../db/queries/idempotency-keys.ts';
import { domainError } from '../domain/errors.ts';

/** The refusal of a request whose key another one has. */
export function takenOver(): Error {
  return domainError('idempotency_in_flight', 'A request with this Idempotency-Key is running.');
}

/** Notes jobs with the keys of their requests, in the transaction that makes them. @throws idempotency_in_flight */
export async function bindKeys(tx: Executor, bound: readonly KeyJob[]): Promise<void> {
  if (!(await bindKeyJobs(tx, bound))) throw takenOver();
}
