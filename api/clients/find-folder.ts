import { isDomainError } from '../../domain/errors.ts';
import { toHexId } from '../../domain/ids.ts';
import { loadFolder } from '../authorize.ts';
import type { Services } from '../services.ts';
import { listTrash } from '../trash/operations.ts';

/**
 * The id that clients use for a name: that of the live folder, else of the one in the caller's trash that was deleted
 * last under it, since restoring asks by name as well.
 * @throws not_found
 */
export async function findFolderId(
  services: Pick<Services, 'db'>,
  { userId, name }: { readonly userId: string; readonly name: string },
): Promise<{ readonly id: string; readonly name: string }> {
  try {
    const folder = await loadFolder(services, { userId, nameOrId: name, right: 'read' });
    return { id: toHexId(folder.id), name: folder.name };
  } catch (error) {
    if (!isDomainError(error, 'not_found')) throw error;
    const trashed = (await listTrash(services, userId)).filter((folder) => folder.name === name);
    const last = trashed.toSorted((a, b) => b.deletedAt.getTime() - a.deletedAt.getTime())[0];
    if (last === undefined) throw error;
    return { id: toHexId(last.id), name };
  }
}
