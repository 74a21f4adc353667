import type { Executor } from '../db/client.ts';
import { findFolderUsage } from '../db/queries/usage.ts';
import { type DomainError, domainError } from '../domain/errors.ts';
import { directoriesMaxOf, type TreeCount } from '../domain/quota.ts';

/** The refusal when a folder has no room for `wanted`, with the figures as they are now. */
export async function noRoom(db: Executor, folderId: string, wanted: TreeCount): Promise<DomainError> {
  const folder = await findFolderUsage(db, folderId);
  const limits =
    folder === null
      ? ''
      : `; its limits are ${folder.quotaBytes} bytes, ${folder.quotaFiles} files and ${directoriesMaxOf(folder)} directories`;
  const needed = `${wanted.bytes} bytes in ${wanted.files} files and ${wanted.directories} directories`;
  return domainError('quota_exceeded', `The folder has no room for a copy of ${needed}${limits}.`);
}
