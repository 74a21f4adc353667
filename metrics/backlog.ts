import type { ReadDepths } from './database-figures.ts';

/** What an autoscaler of workers reads: open jobs that can run, urgent ones included, by kind of work and in all. */
export interface Backlog {
  readonly oldestWaitingSeconds: number;
  readonly all: number;
  readonly byWork: Readonly<Record<string, number>>;
}

/**
 * Adds up waiting and running jobs over all volumes. Paused queues do not count: more workers would not help them. Nor do
 * jobs that wait for their next attempt. `undefined` while the database does not answer, which is not the same as 0.
 */
export async function readBacklog(read: ReadDepths): Promise<Backlog | undefined> {
  const depths = await read();
  if (depths === undefined) return undefined;
  const byWork: Record<string, number> = {};
  let all = 0;
  let oldestWaitingSeconds = 0;
  for (const [queue, { counts, oldestSeconds, isPaused }] of depths) {
    const work = queue.slice(0, queue.indexOf('.'));
    const open = isPaused ? 0 : counts.waiting + counts.active;
    byWork[work] = (byWork[work] ?? 0) + open;
    all += open;
    if (!isPaused) oldestWaitingSeconds = Math.max(oldestWaitingSeconds, oldestSeconds);
  }
  return { oldestWaitingSeconds, all, byWork };
}
