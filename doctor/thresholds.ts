import { bad, type Finding, ok } from './finding.ts';

/** Below this share of free bytes or inodes a volume counts as full. */
const freeShareMin = 0.05;
/** Leases and schedules go by the database's clock, signatures by the host's: 5 minutes apart they fail. */
const skewMsMax = 2_000;
const waitingSecondsMax = 300;
/** How to mend that something is full. */
export const roomMend = 'Free some, or enlarge the file system; uploads are refused once nothing is left.';
const gib = 1024 ** 3;

/** Judges how much of something is left. */
export function judgeRoom(
  room: { readonly free: number; readonly total: number },
  what: 'bytes' | 'inodes',
): Finding {
  const { free, total } = room;
  const share = total === 0 ? 1 : free / total;
  const percent = `${(share * 100).toFixed(1)} % free`;
  const detail =
    what === 'bytes' ? `${percent} (${(free / gib).toFixed(1)} GiB)` : `${percent} (${free} inodes)`;
  if (share >= freeShareMin) return ok(detail);
  return bad(detail, roomMend);
}

/** Judges how far another clock is from this machine's. `roundTripMs` is how uncertain that is. */
export function judgeSkew(skewMs: number, roundTripMs: number): Finding {
  const detail = `${Math.round(skewMs)} ms apart`;
  if (Math.abs(skewMs) - roundTripMs <= skewMsMax) return ok(detail);
  return bad(detail, 'Let NTP or chrony set the clocks of all machines.');
}

/** Judges what Redis does when its memory is full. */
export function judgeMemoryPolicy(policy: string | undefined): Finding {
  if (policy === undefined || policy === 'noeviction') return ok(policy ?? 'not told');
  return bad(
    `maxmemory-policy is ${policy}`,
    'Run "redis-cli CONFIG SET maxmemory-policy noeviction" and put it into redis.conf: evicted jobs run late.',
  );
}

/** Judges a mode: nobody but the owner may read a secret. */
export function judgeSecretMode(mode: number, path: string): Finding {
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  return (mode & 0o077) === 0 ? ok(`mode ${shown}`) : bad(`mode ${shown}`, `Run: chmod 600 ${path}`);
}

/** Judges how long work has been waiting. */
export function judgeWaiting(seconds: number): Finding {
  const detail = `oldest waiting job: ${Math.round(seconds)} s`;
  return seconds <= waitingSecondsMax
    ? ok(detail)
    : bad(detail, 'Start more workers, or resume paused queues: "vfolder admin queues".');
}
