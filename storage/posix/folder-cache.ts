import type { Directory } from './handles/directory.ts';

/** Folders kept open at most, and how long an unused one is. */
const foldersMax = 256;
const idleMs = 60_000;

/**
 * Handles of recently used folders, so that an operation does not walk the four levels above a folder each time. A
 * handle may outlive its folder (another process purged it, an NFS server forgot it): whoever opens something in one
 * drops it on ENOENT and ESTALE and walks again.
 */
export interface FolderCache {
  /** A handle for the caller to close, or `null`. */
  find(folderId: string): Directory | null;
  /** Keeps a handle of its own. */
  keep(folderId: string, folder: Directory): void;
  /** Forgets a folder, as when it is made or removed. */
  drop(folderId: string): void;
  /** Closes them all. */
  close(): void;
}

/** Makes an empty cache. Its timers do not keep the process alive. */
export function createFolderCache(): FolderCache {
  const kept = new Map<string, { readonly folder: Directory; readonly timer: NodeJS.Timeout }>();
  const drop = (folderId: string): void => {
    const found = kept.get(folderId);
    if (found === undefined) return;
    clearTimeout(found.timer);
    kept.delete(folderId);
    // An O_PATH handle closes without waiting.
    void found.folder.close();
  };
  return {
    find(folderId) {
      const found = kept.get(folderId);
      if (found === undefined) return null;
      // A Map keeps the order of insertion, so the least recently used comes first.
      kept.delete(folderId);
      kept.set(folderId, found);
      found.timer.refresh();
      return found.folder.share();
    },
    keep(folderId, folder) {
      drop(folderId);
      const timer = setTimeout(() => drop(folderId), idleMs).unref();
      kept.set(folderId, { folder: folder.share(), timer });
      const [oldest] = kept.keys();
      if (kept.size > foldersMax && oldest !== undefined) drop(oldest);
    },
    drop,
    close() {
      for (const folderId of [...kept.keys()]) drop(folderId);
    },
  };
}
