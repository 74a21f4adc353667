import { eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { queueSettings } from '../schema/queue-settings.ts';

/** What is set for a queue. */
export interface QueueSetting {
  readonly queue: string;
  readonly isPaused: boolean;
  readonly concurrencyMax: number | null;
}

/** What is to be set otherwise; what is left out stays. */
export interface QueueSettingChange {
  readonly isPaused?: boolean;
  readonly concurrencyMax?: number | null;
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

/**
 * What is set for one queue, locked until the transaction ends, so that changes of a queue happen one after the other and
 * each knows what it changed. Makes the row if need be.
 */
export async function lockQueueSetting(tx: Executor, queue: string): Promise<QueueSetting> {
  await tx.insert(queueSettings).values({ queue }).onConflictDoNothing();
  const [row] = await tx
    .select(columns)
    .from(queueSettings)
    .where(eq(queueSettings.queue, queue))
    .for('update');
  return row ?? { queue, isPaused: false, concurrencyMax: null };
}

/** Changes what is given of a locked row and leaves the rest. @returns what is set then */
export async function updateQueueSetting(
  tx: Executor,
  queue: string,
  change: QueueSettingChange,
): Promise<QueueSetting> {
  const rows = await tx
    .update(queueSettings)
    .set({ ...change, changedAt: sql`now()` })
    .where(eq(queueSettings.queue, queue))
    .returning(columns);
  return rows[0] ?? { queue, isPaused: false, concurrencyMax: null };
}
