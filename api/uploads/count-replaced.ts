import { parseEntryPath } from '../../domain/entry-path.ts';
import { isFreedByReplacing } from '../../storage/freed-by-replacing.ts';
import type { Volume } from '../../storage/volume.ts';

/**
 * How many of `paths` are files that go away when they are replaced, as far as can be seen before the commit; a path that
 * is named twice counts twice. @throws volume_unavailable
 */
export async function countReplaced(
  { volume, folderId }: { readonly volume: Volume; readonly folderId: string },
  paths: readonly string[],
): Promise<number> {
  let replaced = 0;
  for (const path of paths) {
    const target = await volume.stat(folderId, parseEntryPath(path, 'write'));
    if (isFreedByReplacing(target)) replaced += 1;
  }
  return replaced;
}
