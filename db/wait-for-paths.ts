import { setTimeout as delay } from 'node:timers/promises';
import type { Executor } from './client.ts';
import { isAnyPathHeld, type PathClaim } from './queries/path-claims.ts';

const pollMsMin = 20;
const pollMsMax = 100;

/**
 * Waits until no other job holds one of the paths, something above or something below. Reads only, so that many
 * waiting for one path do not slow down the one that holds it.
 * @returns whether they were free before `deadline` (as of `performance.now()`) @throws the reason of `signal`
 */
export async function waitForPaths(
  db: Executor,
  claim: PathClaim,
  limit: { readonly deadline: number; readonly signal?: AbortSignal },
): Promise<boolean> {
  for (let pollMs = pollMsMin; performance.now() < limit.deadline; pollMs = Math.min(pollMs * 2, pollMsMax)) {
    // Spread, so that those who wait do not all come at once.
    await delay(
      pollMs * (0.5 + Math.random()),
      undefined,
      limit.signal === undefined ? {} : { signal: limit.signal },
    );
    if (!(await isAnyPathHeld(db, claim))) return true;
  }
  return false;
}
