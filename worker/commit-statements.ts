import type { Database } from '../db/client.ts';
import { coalesce } from '../db/coalesce.ts';
import {
  endUploads,
  listUploadsToCommit,
  noteReplaced,
  type ReplacedNotes,
  type UploadEnd,
  type UploadToCommit,
} from '../db/queries/upload-commits.ts';

/** What commits ask the database for, in statements that those which come at the same time share. */
export interface CommitStatements {
  /** The session and its files, as of a moment after the call; `null` when there is none. */
  load(uploadId: string): Promise<UploadToCommit | null>;
  /** @returns whether the claim holds; if not, nothing is noted */
  note(notes: ReplacedNotes): Promise<boolean>;
  /** @returns whether the claim held; if not, nothing is written */
  end(end: UploadEnd & { readonly folderId: string }): Promise<boolean>;
}

/** Makes those of one process. */
export function shareCommitStatements(db: Database): CommitStatements {
  return {
    load: coalesce({
      run: async (uploadIds) => {
        const found = new Map(
          (await listUploadsToCommit(db, uploadIds)).map((upload) => [upload.id, upload]),
        );
        return uploadIds.map((uploadId) => found.get(uploadId) ?? null);
      },
    }),
    note: coalesce({
      run: async (uploads) => {
        const held = await noteReplaced(db, uploads);
        return uploads.map(({ claim }) => held.has(claim.id));
      },
    }),
    end: coalesce({
      // A folder whose row is locked for long holds up no other one.
      keyOf: ({ folderId }) => folderId,
      run: async (ends) => {
        const held = await endUploads(db, ends);
        return ends.map(({ id }) => held.has(id));
      },
    }),
  };
}
