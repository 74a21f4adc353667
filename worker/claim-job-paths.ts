import type { Executor } from '../db/client.ts';
import { findMemberRight } from '../db/queries/member-rights.ts';
import { type ClaimOutcome, holdFolder, type PathClaim } from '../db/queries/path-claims.ts';
import { waitForPaths } from '../db/wait-for-paths.ts';
import { domainError } from '../domain/errors.ts';
import { holdsRight, type Right } from '../domain/permission.ts';
import { type JobContext, JobDeferredError, LeaseLostError } from '../jobs/handler.ts';
import type { WorkerServices } from './services.ts';

/** How long a job waits in place for another job on the same paths before it is handed back. */
const busyWaitMs = 5_000;
const deferMs = 500;

/** Who a job acts for, and what they need to be allowed to. */
export interface JobActor {
  readonly folderId: string;
  readonly actorId: string | null;
  readonly right: Right;
}

function requireRight(member: Parameters<typeof holdsRight>[0] | null, right: Right): void {
  if (member === null || !holdsRight(member, right)) {
    throw domainError('not_found', 'The folder is gone, or changing it is no longer permitted.');
  }
}

/** The right may be gone since the job was accepted; the folder too. @throws not_found */
export async function requireActor(tx: Executor, { folderId, actorId, right }: JobActor): Promise<void> {
  requireRight(actorId === null ? null : await findMemberRight(tx, { folderId, userId: actorId }), right);
}

type ClaimingContext = Pick<JobContext, 'claim' | 'signal'>;

/** Fence, right and folder in the first statement, the paths in the second. @throws not_found, LeaseLostError */
async function tryClaim(
  services: WorkerServices,
  { claim }: ClaimingContext,
  { path, actor }: { readonly path: PathClaim; readonly actor: JobActor },
): Promise<ClaimOutcome> {
  return await services.db.transaction(async (tx) => {
    const hold = await holdFolder(tx, { claim, actorId: actor.actorId, path });
    if (!hold.isHeld) throw new LeaseLostError();
    requireRight(hold.member, actor.right);
    return await hold.claim();
  });
}

/**
 * Claims paths for a job whose actor still holds the right; waits a while for other jobs, then hands the job back.
 * @throws not_found; JobDeferredError
 */
export async function claimJobPaths(
  services: WorkerServices,
  context: ClaimingContext,
  wanted: JobActor & { readonly paths: readonly string[] },
): Promise<void> {
  const limit = { deadline: performance.now() + busyWaitMs, signal: context.signal };
  const claim = { folderId: wanted.folderId, jobId: context.claim.id, paths: wanted.paths };
  do {
    const outcome = await tryClaim(services, context, { path: claim, actor: wanted });
    if (outcome === 'claimed') return;
    if (outcome === 'folder_gone') throw domainError('not_found', 'The folder is gone.');
  } while (await waitForPaths(services.db, claim, limit));
  throw new JobDeferredError(deferMs, 'Another job holds one of the paths.');
}
