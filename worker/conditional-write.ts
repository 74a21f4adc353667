import { isReplacing } from '../db/queries/upload-commits.ts';
import type { UploadSession } from '../db/queries/uploads.ts';
import { entityTag } from '../domain/write-condition.ts';
import type { Volume } from '../storage/volume.ts';
import type { Target } from './publish-files.ts';
import type { HandlerServices } from './services.ts';

/** Where a file was put in place. */
interface WriteSite {
  readonly services: Pick<HandlerServices, 'db'>;
  readonly volume: Volume;
  readonly upload: UploadSession;
}

/** What the answer to a conditional write says of the file: its tag, if it is still there, and whether it replaced one. */
export async function describeWrite({ services, volume, upload }: WriteSite, target: Target) {
  // The file is in place whatever this look meets.
  const stat = await volume.stat(upload.folderId, target.path).catch(() => null);
  const isSame = stat !== null && stat.inode === target.file.inode;
  const replaced = await isReplacing(services.db, { uploadId: upload.id, ordinal: target.file.ordinal });
  return { etag: isSame ? entityTag(stat.version) : null, replaced };
}
