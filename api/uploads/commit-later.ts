import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { findUpload, type RecordedFile } from '../../db/queries/uploads.ts';
import type { Services } from '../services.ts';
import { recordCommits, type StagedCommit } from './statements.ts';

/** An upload session whose files are staged and synced. */
export interface StagedUpload extends Omit<StagedCommit, 'jobId' | 'files' | 'key' | 'trace'> {
  /** The files; or what finds them out in the transaction that records them, and undoes everything by what it throws. */
  readonly files: readonly RecordedFile[] | ((tx: Executor) => Promise<readonly RecordedFile[]>);
}

async function recordCommit(services: Services, upload: StagedUpload, jobId: string): Promise<void> {
  const { files, ...known } = upload;
  const commit = { ...known, jobId, key: services.key, trace: services.trace };
  if (typeof files !== 'function') return await services.uploads.record({ ...commit, files });
  await services.db.transaction(async (tx) => {
    await recordCommits(tx, services.jobs, [{ ...commit, files: await files(tx) }]);
  });
}

/**
 * Records a staged upload and the job that commits it, in one transaction; from then on it is in the hands of the job.
 * @returns the job's id
 * @throws upload_aborted when the session is no longer receiving
 */
export async function commitLater(services: Services, upload: StagedUpload): Promise<string> {
  const jobId = uuidv7();
  try {
    await recordCommit(services, upload, jobId);
  } catch (error) {
    // The connection may have gone after the COMMIT took effect; then the upload is in the hands of its job.
    if (failureOf(error) !== 'lost') throw error;
    const known = await findUpload(services.db, upload.id).catch(() => null);
    if (known?.state !== 'staged' && known?.state !== 'committed') throw error;
  }
  services.jobs.dispatch([jobId]);
  return jobId;
}
