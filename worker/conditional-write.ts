import { isReplacing } from '../db/queries/upload-commits.ts';
import { type CommitFile, renameUploadFile, type UploadSession } from '../db/queries/uploads.ts';
import { type EntryPath, formatEntryPath, numberedPaths, parseEntryPath } from '../domain/entry-path.ts';
import { domainError } from '../domain/errors.ts';
import { entityTag } from '../domain/write-condition.ts';
import type { JobContext } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { claimJobPaths } from './claim-job-paths.ts';
import type { Target } from './publish-files.ts';
import type { HandlerServices } from './services.ts';

type Context = JobContext<'upload.commit'>;

/** One upload and what it takes to look for a free name for its file. */
export interface Naming {
  readonly services: HandlerServices;
  readonly context: Context;
  readonly volume: Volume;
  readonly upload: UploadSession;
}

async function claimIfFree(naming: Naming, path: EntryPath): Promise<boolean> {
  const { services, context, volume, upload } = naming;
  const { folderId, actorId } = upload;
  if ((await volume.stat(folderId, path)) !== null) return false;
  const paths = [formatEntryPath(path)];
  await claimJobPaths(services, context, { folderId, actorId, paths, right: 'write' });
  return (await volume.stat(folderId, path)) === null;
}

/**
 * Finds, claims and notes the first free numbered name, unless an earlier run has. What it looked at in vain stays
 * claimed until the job ends. @throws entry_conflict when there is none
 */
export async function takeFreeName(naming: Naming, file: CommitFile): Promise<void> {
  if (file.replacedBytes !== null) return;
  for (const path of numberedPaths(parseEntryPath(file.path, 'write'))) {
    if (!(await claimIfFree(naming, path))) continue;
    const name = { uploadId: naming.upload.id, ordinal: file.ordinal, path: formatEntryPath(path) };
    await naming.context.fenced((tx) => renameUploadFile(tx, name));
    return;
  }
  throw domainError('entry_conflict', `"${file.path}" exists, and so do too many of its numbered names.`);
}

/** What the answer to a conditional write says of the file: its tag, if it is still there, and whether it replaced one. */
export async function describeWrite({ services, volume, upload }: Omit<Naming, 'context'>, target: Target) {
  // The file is in place whatever this look meets.
  const stat = await volume.stat(upload.folderId, target.path).catch(() => null);
  const isSame = stat !== null && stat.inode === target.file.inode;
  const replaced = await isReplacing(services.db, { uploadId: upload.id, ordinal: target.file.ordinal });
  return { etag: isSame ? entityTag(stat.version) : null, replaced };
}
