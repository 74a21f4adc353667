import { eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { queueSettings } from '../schema/queue-settings.ts';

/** What is set for a queue. */
export interface QueueSetting {
  readonly queue: string;
  readonly isPaused: boolean;
  readonly concurrencyMax: number | null;
}

const columns = {
  queue: queueSettings.queue,
  isPaused: queueSettings.isPaused,
  concurrencyMax: queueSettings.concurrencyMax,
};

/** Every queue that somebody has set something for. */
export async function listQueueSettings(db: Executor): Promise<QueueSetting[]> {
  return await db.select(columns).from(queueSettings);
}

/** What is set for one queue; the usual when nobody has set anything. */
export async function findQueueSetting(db: Executor, queue: string): Promise<QueueSetting> {
  const [row] = await db.select(columns).from(queueSettings).where(eq(queueSettings.queue, queue));
  return row ?? { queue, isPaused: false, concurrencyMax: null };
}

/** Changes what is given and leaves the rest. @returns what is set then */
export async function upsertQueueSetting(
  db: Executor,
  queue: string,
  change: { readonly isPaused?: boolean; readonly concurrencyMax?: number | null },
): Promise<QueueSetting> {
  const rows = await db
    .insert(queueSettings)
    .values({ queue, ...change })
    .onConflictDoUpdate({ target: queueSettings.queue, set: { ...change, changedAt: sql`now()` } })
    .returning(columns);
  return rows[0] ?? { queue, isPaused: false, concurrencyMax: null };
}
