import type { Executor } from '../db/client.ts';
import { findMemberRight } from '../db/queries/member-rights.ts';
import { waitForPaths } from '../db/wait-for-paths.ts';
import { domainError } from '../domain/errors.ts';
import { holdsRight } from '../domain/permission.ts';
import { type JobContext, JobDeferredError, LeaseLostError } from '../jobs/handler.ts';
import type { JobActor } from './path-claimer.ts';
import type { HandlerServices } from './services.ts';

/** How long a job waits in place for another job on the same paths before it is handed back. */
const busyWaitMs = 5_000;
const deferMs = 500;

function notPermitted(): Error {
  return domainError('not_found', 'The folder is gone, or changing it is no longer permitted.');
}

/** The right may be gone since the job was accepted; the folder too. @throws not_found */
export async function requireActor(tx: Executor, { folderId, actorId, right }: JobActor): Promise<void> {
  const member = actorId === null ? null : await findMemberRight(tx, { folderId, userId: actorId });
  if (member === null || !holdsRight(member, right)) throw notPermitted();
}

type ClaimingContext = Pick<JobContext, 'claim' | 'signal'>;

/**
 * Claims paths for a job whose actor still holds the right; waits a while for other jobs, then hands the job back.
 * @throws not_found; JobDeferredError, LeaseLostError
 */
export async function claimJobPaths(
  services: Pick<HandlerServices, 'db' | 'claimPaths'>,
  context: ClaimingContext,
  wanted: JobActor & { readonly paths: readonly string[] },
): Promise<void> {
  const { paths, ...actor } = wanted;
  const limit = { deadline: performance.now() + busyWaitMs, signal: context.signal };
  const path = { folderId: wanted.folderId, jobId: context.claim.id, paths };
  do {
    const answer = await services.claimPaths({ claim: context.claim, actor, paths });
    if (answer === 'claimed') return;
    if (answer === 'lost') throw new LeaseLostError();
    if (answer === 'forbidden') throw notPermitted();
    if (answer === 'folder_gone') throw domainError('not_found', 'The folder is gone.');
  } while (await waitForPaths(services.db, path, limit));
  throw new JobDeferredError(deferMs, 'Another job holds one of the paths.');
}
