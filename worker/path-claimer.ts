import type { Database, Executor } from '../db/client.ts';
import { coalesce } from '../db/coalesce.ts';
import type { Claim } from '../db/queries/job-lease.ts';
import {
  type ClaimOutcome,
  type FolderHold,
  holdFolder,
  insertFreeClaims,
} from '../db/queries/path-claims.ts';
import { holdsRight, type Right } from '../domain/permission.ts';

/** Paths that are looked at together at most, unless one job alone wants more. */
const pathsMax = 1_000;

/** Who a job acts for, and what they need to be allowed to. */
export interface JobActor {
  readonly folderId: string;
  readonly actorId: string | null;
  readonly right: Right;
}

/** A run of a job that wants paths of a folder. */
export interface PathRequest {
  readonly claim: Claim;
  readonly actor: JobActor;
  readonly paths: readonly string[];
}

/** What comes of it; `lost` is the claim of the job, `forbidden` what the actor wants. */
type PathAnswer = ClaimOutcome | 'lost' | 'forbidden';

/** Claims paths of a folder for a run of a job. */
export type PathClaimer = (request: PathRequest) => Promise<PathAnswer>;

/** Says at once what stands in the way of a job. */
function refusalOf(
  hold: FolderHold | undefined,
  { right }: JobActor,
  isActive: boolean,
): PathAnswer | undefined {
  if (hold?.isHeld !== true) return 'lost';
  if (hold.member === null || !holdsRight(hold.member, right)) return 'forbidden';
  return isActive ? undefined : 'folder_gone';
}

/** Fence, right and folder in the first statement, the paths in the second; all requests are for one folder. */
async function claimTogether(tx: Executor, requests: readonly PathRequest[]): Promise<PathAnswer[]> {
  const folderId = requests[0]?.actor.folderId ?? '';
  const claimants = requests.map(({ claim, actor }) => ({ claim, actorId: actor.actorId }));
  const { isActive, holds } = await holdFolder(tx, folderId, claimants);
  const refusals = requests.map(({ actor }, index) => refusalOf(holds[index], actor, isActive));
  const wanted = requests
    .filter((_request, index) => refusals[index] === undefined)
    .map(({ claim, paths }) => ({ jobId: claim.id, paths }));
  if (wanted.length === 0) return refusals.map((refusal) => refusal ?? 'busy');
  const busy = await insertFreeClaims(tx, folderId, wanted);
  return requests.map(({ claim }, index) => refusals[index] ?? (busy.has(claim.id) ? 'busy' : 'claimed'));
}

interface Reach {
  readonly request: PathRequest;
  readonly paths: ReadonlySet<string>;
  /** The paths, and all above them. */
  readonly above: ReadonlySet<string>;
}

function reachOf(request: PathRequest): Reach {
  const above = new Set<string>();
  for (const path of request.paths) {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      above.add(path.slice(0, end));
    above.add(path);
  }
  return { request, paths: new Set(request.paths), above };
}

/** Whether nothing that one wants lies at, above or below what the other does. */
function areApart(one: Reach, other: Reach): boolean {
  if (one.request.claim.id === other.request.claim.id) return false;
  return !shareAny(one.above, other.paths) && !shareAny(one.paths, other.above);
}

function shareAny(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const path of some) if (others.has(path)) return true;
  return false;
}

/**
 * Makes the claimer of a process: runs that want paths of one folder at the same time ask for them in one transaction, in which
 * each gets all of its paths or none.
 */
export function openPathClaimer(db: Database): PathClaimer {
  const claim = coalesce<Reach, PathAnswer>({
    keyOf: ({ request }) => request.actor.folderId,
    goesWith: (others, reach) =>
      others.reduce((sum, { paths }) => sum + paths.size, reach.paths.size) <= pathsMax &&
      others.every((other) => areApart(other, reach)),
    run: (reaches) =>
      db.transaction((tx) =>
        claimTogether(
          tx,
          reaches.map(({ request }) => request),
        ),
      ),
  });
  return (request) => claim(reachOf(request));
}
