import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory below the system's temporary one, and its removal with everything in it. */
export interface TempDir {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * Creates a directory only this test knows. It may be entered by other users (mode 0755), because the embedded
 * Postgres of a root test run is another user.
 *
 *     const dir = await createTempDir();
 *     afterAll(() => dir.remove());
 */
export async function createTempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), 'vft-'));
  await chmod(path, 0o755);
  return {
    path,
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
