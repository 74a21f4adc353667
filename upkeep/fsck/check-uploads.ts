import { type CheckedUpload, giveUpUpload, listCheckedUploads } from '../../db/queries/fsck.ts';
import { isDomainError } from '../../domain/errors.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import { aboutFolder, type VolumeCase } from './case.ts';
import type { FindingCode } from './findings.ts';

/** A staged file that rows promise. */
interface Promised {
  readonly stageId: string;
  readonly bytes: number;
  /** Of a segment more may lie there than is recorded. */
  readonly isExact: boolean;
}

function promisedBy(upload: CheckedUpload): Promised[] {
  const segments = upload.segments
    .filter(({ bytes }) => bytes > 0)
    .map(({ uploadId, ordinal, bytes }) => ({
      stageId: stageIdOf(uploadId, ordinal),
      bytes,
      isExact: false,
    }));
  const files = upload.files.map(({ ordinal, bytes }) => ({
    stageId: stageIdOf(upload.id, ordinal),
    bytes,
    isExact: true,
  }));
  return [...segments, ...files];
}

async function faultOf(
  { volume }: VolumeCase,
  folderId: string,
  { stageId, bytes, isExact }: Promised,
): Promise<string | null> {
  try {
    const stat = await volume.statStage(folderId, stageId);
    if (stat === null) return `its staged file is missing, ${bytes} bytes are recorded`;
    const isWhole = isExact ? stat.sizeBytes === bytes : stat.sizeBytes >= bytes;
    return isWhole ? null : `its staged file has ${stat.sizeBytes} bytes, ${bytes} are recorded`;
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return null;
    throw error;
  }
}

/** What rows said before the look at the file and still say after it: bytes are recorded once they lie there, and notes go first. */
async function stillPromises({ db }: VolumeCase, uploadId: string, wanted: Promised): Promise<boolean> {
  const [upload] = await listCheckedUploads(db, { uploadIds: [uploadId] });
  if (upload === undefined) return false;
  return promisedBy(upload).some(({ stageId, bytes }) => stageId === wanted.stageId && bytes >= wanted.bytes);
}

async function checkUpload(target: VolumeCase, upload: CheckedUpload): Promise<void> {
  const { id, folderId, state, hasJob } = upload;
  const about = aboutFolder(target.volume.name, folderId);
  const mend = () => giveUpUpload(target.db, id);
  const report = async (code: FindingCode, detail: string, path?: string) => {
    const finding = about({
      code,
      detail: `upload ${id}: ${detail}`,
      ...(path === undefined ? {} : { path }),
    });
    await target.report({ ...finding, mend });
  };
  if (state === 'staged' && !hasJob) {
    await report('upload_stuck', 'it is staged, and no job will commit it');
    return;
  }
  for (const promised of promisedBy(upload)) {
    const fault = await faultOf(target, folderId, promised);
    if (fault === null || !(await stillPromises(target, id, promised))) continue;
    const path = `stage/${promised.stageId}`;
    // A commit that is on its way looks at the staged file itself, and gives the upload up.
    if (hasJob) await target.report(about({ code: 'upload_doomed', path, detail: `upload ${id}: ${fault}` }));
    else await report('upload_incomplete', fault, path);
    return;
  }
}

/** Compares what rows say to be staged with what lies there. */
export async function checkUploads(target: VolumeCase, folderIds: readonly string[]): Promise<void> {
  for (const upload of await listCheckedUploads(target.db, { folderIds })) await checkUpload(target, upload);
}
