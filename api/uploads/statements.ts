import type { Database, Executor } from '../../db/client.ts';
import { coalesce } from '../../db/coalesce.ts';
import type { KeyClaim } from '../../db/queries/idempotency-keys.ts';
import { type FolderReference, findMemberFolder, type MemberFolder } from '../../db/queries/members.ts';
import {
  type RecordedFile,
  reserveUploads,
  stageUploads,
  type UploadRequest,
} from '../../db/queries/uploads.ts';
import { domainError } from '../../domain/errors.ts';
import type { TraceContext } from '../../domain/trace.ts';
import type { WriteCondition } from '../../domain/write-condition.ts';
import type { JobClient } from '../../jobs/job-client.ts';
import { bindKeys } from '../idempotency-binding.ts';

/** A session to open, and where. */
export interface RoomRequest extends UploadRequest {
  readonly folderId: string;
}

/** A session whose files are staged and synced, with the job that is to commit them. */
export interface StagedCommit {
  readonly id: string;
  readonly jobId: string;
  readonly folder: { readonly id: string; readonly volume: string };
  readonly userId: string;
  readonly files: readonly RecordedFile[];
  /** What must hold at the target of the one file; default: nothing. */
  readonly condition?: WriteCondition | undefined;
  /** The key of the request, when it has one. */
  readonly key?: KeyClaim | undefined;
  /** The span that the job belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** What uploads ask the database for, in statements that those which come at the same time into one folder share. */
export interface UploadStatements {
  /** Finds a folder for all who ask for the same one in the same way, by a look that begins after they asked. */
  find(reference: FolderReference): Promise<MemberFolder | null>;
  /** Opens a session with its first reservation. @returns false when it does not fit, or the folder is not active */
  reserve(request: RoomRequest): Promise<boolean>;
  /** Records a staged session and its job. @throws upload_aborted, idempotency_in_flight */
  record(commit: StagedCommit): Promise<void>;
}

/**
 * What is asked for is granted together where it fits together; else each is asked for by itself, in the order of arrival and in
 * one transaction, so that a failure leaves nothing granted that nobody hears of.
 */
async function reserveTogether(db: Database, requests: readonly RoomRequest[]): Promise<boolean[]> {
  const folderId = requests[0]?.folderId ?? '';
  if (await reserveUploads(db, folderId, requests)) return requests.map(() => true);
  if (requests.length === 1) return [false];
  return await db.transaction(async (tx) => {
    const granted: boolean[] = [];
    for (const request of requests) granted.push(await reserveUploads(tx, folderId, [request]));
    return granted;
  });
}

/**
 * Records staged sessions and the jobs that commit them, in the caller's transaction, all of them or none.
 * @throws upload_aborted when a session is no longer receiving; idempotency_in_flight when its key is another's by now
 */
export async function recordCommits(
  tx: Executor,
  jobs: Pick<JobClient, 'enqueueEach'>,
  commits: readonly StagedCommit[],
): Promise<void> {
  await jobs.enqueueEach(
    tx,
    commits.map(({ id, jobId, folder, userId, condition, trace }) => ({
      id: jobId,
      kind: 'upload.commit',
      payload: { uploadId: id, ...(condition === undefined ? {} : { condition }) },
      volume: folder.volume,
      folderId: folder.id,
      actorId: userId,
      trace,
    })),
  );
  await bindKeys(
    tx,
    commits.flatMap(({ key, jobId }) => (key === undefined ? [] : [{ claim: key, jobId }])),
  );
  const staged = await stageUploads(tx, commits);
  if (staged.size < commits.length) {
    throw domainError('upload_aborted', 'The upload took too long and was abandoned.');
  }
}

/** Makes those of one process. */
export function shareUploadStatements(services: {
  readonly db: Database;
  readonly jobs: Pick<JobClient, 'enqueueEach'>;
}): UploadStatements {
  const { db, jobs } = services;
  return {
    find: coalesce({
      keyOf: ({ userId, name, folderId, right }) => JSON.stringify([userId, name, folderId, right]),
      run: async (references) => {
        const [reference] = references;
        const folder = reference === undefined ? null : await findMemberFolder(db, reference);
        return references.map(() => folder);
      },
    }),
    reserve: coalesce({
      keyOf: ({ folderId }) => folderId,
      run: (requests) => reserveTogether(db, requests),
    }),
    record: coalesce({
      keyOf: ({ folder }) => folder.id,
      run: async (commits) => {
        await db.transaction((tx) => recordCommits(tx, jobs, commits));
        return commits.map(() => undefined);
      },
    }),
  };
}
