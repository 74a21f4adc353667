import type { Executor } from '../../db/client.ts';
import { countSessionsOnFolder, lockOutMounts } from '../../db/queries/mounts.ts';
import { domainError } from '../../domain/errors.ts';

/**
 * Keeps a live folder from being taken away while sessions have it mounted. None begins and none is renewed until the transaction ends:
 * of this and a mount at the same moment, one comes first, and the other one sees it. Call it before the change, and before anything
 * that locks the folder's row: uploads do not wait for mounts.
 * @throws folder_mounted
 */
export async function requireUnmounted(tx: Executor, folderId: string): Promise<void> {
  // In a statement of its own: one that had to wait for the lock still sees what was there before it waited.
  await lockOutMounts(tx, folderId);
  const sessions = await countSessionsOnFolder(tx, folderId);
  if (sessions === 0) return;
  throw domainError(
    'folder_mounted',
    'Sessions have the folder mounted: end them first, or pass "force" to take it away under them.',
    { extra: { sessions } },
  );
}
