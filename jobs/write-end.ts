import type { Database, Executor } from '../db/client.ts';
import { failureOf } from '../db/failure.ts';
import { type Claim, findClaimState } from '../db/queries/job-lease.ts';
import { LeaseLostError } from './handler.ts';
import { pause } from './timers.ts';

const conflictsMax = 10;
const retryMs = 250;

/**
 * Makes the change that takes a claim away from its run: the end of the job or its return to the queue. `change`, one statement or
 * one transaction, answers whether the claim held and may be made again. When the database goes away in the middle, the row tells
 * whether the commit happened; that is waited for as long as a lease lasts, because afterwards the job is somebody
 * else's in any case.
 * @returns whether the change is in effect
 * @throws what `change` throws, when that is neither an outage nor a conflict
 */
export async function writeEnd(
  options: { readonly db: Database; readonly claim: Claim; readonly patienceMs: number },
  change: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + options.patienceMs;
  for (let conflicts = 0; ; conflicts++) {
    const attempt = await attemptEnd(options, change, { deadline, isLast: conflicts >= conflictsMax });
    if (attempt !== 'open') return attempt === 'written';
  }
}

/** `open` when nothing was written and the claim still holds. */
async function attemptEnd(
  options: { readonly db: Database; readonly claim: Claim },
  change: () => Promise<boolean>,
  limit: { readonly deadline: number; readonly isLast: boolean },
): Promise<'open' | 'written' | 'gone'> {
  try {
    return (await change()) ? 'written' : 'gone';
  } catch (error) {
    const failure = failureOf(error);
    if (failure === 'other' || (failure === 'conflict' && limit.isLast)) throw error;
    return failure === 'conflict' ? 'open' : await findOutcome(options, limit.deadline);
  }
}

/** Makes a change in one transaction, which is undone when `change` answers that the claim does not hold. @returns its answer */
export async function fencedTransaction(
  db: Database,
  change: (tx: Executor) => Promise<boolean>,
): Promise<boolean> {
  try {
    await db.transaction(async (tx) => {
      if (!(await change(tx))) throw new LeaseLostError();
    });
    return true;
  } catch (error) {
    if (error instanceof LeaseLostError) return false;
    throw error;
  }
}

/** Reads the row until it can be read: the same fence and no longer running means that our change was committed. */
async function findOutcome(
  options: { readonly db: Database; readonly claim: Claim },
  deadline: number,
): Promise<'open' | 'written' | 'gone'> {
  while (performance.now() < deadline) {
    await pause(retryMs);
    try {
      const row = await findClaimState(options.db, options.claim);
      if (row === null || !row.isHeld) return 'gone';
      return row.state === 'running' ? 'open' : 'written';
    } catch (error) {
      if (failureOf(error) === 'other') throw error;
    }
  }
  return 'gone';
}
