import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The user that Postgres runs as when we are root, because Postgres refuses to run as root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` on every distribution the binaries run on; needs no entry in /etc/passwd to own files. */
const nobody: Account = { uid: 65_534, gid: 65_534 };

/**
 * Who Postgres runs as: `null` for ourselves. As root it is the owner of an existing cluster, so that a user
 * `postgres` added later does not lock us out of it; else `postgres` when the machine has that user, else `nobody`.
 */
export async function findAccount(clusterDir: string): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(clusterDir).catch(() => null);
  if (owner !== null && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return passwdAccount(passwd, 'postgres') ?? passwdAccount(passwd, 'nobody') ?? nobody;
}

function passwdAccount(passwd: string, name: string): Account | undefined {
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name);
  const uid = Number(fields?.[2]);
  const gid = Number(fields?.[3]);
  return Number.isInteger(uid) && Number.isInteger(gid) && uid > 0 ? { uid, gid } : undefined;
}

/**
 * Tells whether `account` may search `dir` and every directory above it, by their mode bits. Needed because a checkout
 * below root's private home (0700) is invisible to every other user.
 */
export async function canTraverse(dir: string, account: Account | null): Promise<boolean> {
  if (account === null) return true;
  for (let at = await realpath(dir); ; at = dirname(at)) {
    const { uid, gid, mode } = await stat(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
