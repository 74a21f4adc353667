import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { ConfigError } from '../config-error.ts';
import { type Account, canTraverse } from './account.ts';

/** `<dir>/vfolder-<12 hex>/.s.PGSQL.5432` has to fit the 107 bytes of a Unix socket address (unix(7)). */
const rootBytesMax = 107 - '/vfolder-0123456789ab-XXXXXX/.s.PGSQL.5432'.length;

/**
 * The first temporary directory that `account` can reach and whose name is short enough for a socket below it.
 * @throws ConfigError when there is none
 */
export async function findTempRoot(account: Account | null): Promise<string> {
  for (const dir of [tmpdir(), '/tmp', '/var/tmp', '/run']) {
    const found = await stat(dir).catch(() => null);
    if (!found?.isDirectory() || Buffer.byteLength(dir) > rootBytesMax) continue;
    if (await canTraverse(dir, account)) return dir;
  }
  throw new ConfigError(
    'The embedded Postgres needs a temporary directory with a short name that every user can enter: set TMPDIR=/tmp, or set DATABASE_URL to a Postgres of yours.',
  );
}
