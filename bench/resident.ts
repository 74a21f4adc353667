import { readFileSync, writeFileSync } from 'node:fs';

/** How often memory is looked at where its peak cannot be begun anew. */
const lookEveryMs = 20;

function statusMiB(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm'));
  return Number(line?.[1] ?? 0) / 1024;
}

/** Most memory that a process has had resident, in MiB. */
export function peakRssMiB(pid: number): number {
  return statusMiB(pid, 'VmHWM');
}

/** Has the peak begin at what is resident now, see proc(5). @returns whether the kernel lets us */
function forgetPeak(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    return true;
  } catch {
    return false;
  }
}

/** What a process had resident before some work, and at most during it, in MiB. */
export interface Growth {
  readonly beforeMiB: number;
  readonly peakMiB: number;
}

function watch(pid: number) {
  const beforeMiB = statusMiB(pid, 'VmRSS');
  const isForgotten = forgetPeak(pid);
  let peakMiB = beforeMiB;
  return {
    look: () => {
      peakMiB = Math.max(peakMiB, statusMiB(pid, 'VmRSS'));
    },
    end: (): Growth => ({ beforeMiB, peakMiB: isForgotten ? Math.max(peakMiB, peakRssMiB(pid)) : peakMiB }),
  };
}

/** Runs `work` and tells what processes grew by meanwhile, in their order; all of them live on. */
export async function measureGrowth(
  pids: readonly number[],
  work: () => Promise<unknown>,
): Promise<readonly Growth[]> {
  const watches = pids.map(watch);
  const timer = setInterval(() => {
    for (const { look } of watches) look();
  }, lookEveryMs);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return watches.map(({ end }) => end());
}

/** Looks at a process until `ended` settles. @returns the most that it had resident, in MiB */
export async function watchPeak(pid: number, ended: Promise<unknown>): Promise<number> {
  let peakMiB = 0;
  const timer = setInterval(() => {
    try {
      // The kernel keeps the peak, so that only what comes after the last look is missed.
      peakMiB = Math.max(peakMiB, peakRssMiB(pid));
    } catch {
      // It has ended; whoever waits for it is told.
    }
  }, lookEveryMs);
  try {
    await ended;
  } finally {
    clearInterval(timer);
  }
  return peakMiB;
}
