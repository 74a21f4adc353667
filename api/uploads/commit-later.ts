import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { findUpload, type RecordedFile, stageUpload } from '../../db/queries/uploads.ts';
import { domainError } from '../../domain/errors.ts';
import type { WriteCondition } from '../../domain/write-condition.ts';
import type { Services } from '../services.ts';

/** An upload session whose files are staged and synced. */
export interface StagedUpload {
  readonly id: string;
  readonly folder: { readonly id: string; readonly volume: string };
  readonly userId: string;
  /** The files, in the transaction that records them; what it throws undoes everything. */
  readonly files: (tx: Executor) => Promise<readonly RecordedFile[]>;
  /** What must hold at the target of the one file; default: nothing. */
  readonly condition?: WriteCondition | undefined;
}

async function recordCommit(services: Services, upload: StagedUpload, jobId: string): Promise<void> {
  await services.db.transaction(async (tx) => {
    await services.jobs.enqueue(tx, {
      id: jobId,
      kind: 'upload.commit',
      payload: {
        uploadId: upload.id,
        ...(upload.condition === undefined ? {} : { condition: upload.condition }),
      },
      volume: upload.folder.volume,
      folderId: upload.folder.id,
      actorId: upload.userId,
    });
    const files = await upload.files(tx);
    if (!(await stageUpload(tx, { id: upload.id, jobId, files }))) {
      throw domainError('upload_aborted', 'The upload took too long and was abandoned.');
    }
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
