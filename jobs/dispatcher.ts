import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../db/client.ts';
import { type DispatchRow, listDispatchRows } from '../db/queries/jobs.ts';
import type { JobLogger } from './logger.ts';
import { type QueueStore, queuedIdOf, queueNameOf } from './queue-store.ts';
import { throttledWarning } from './throttled-warning.ts';
import { withinDeadline } from './timers.ts';
import type { JobTimings } from './timings.ts';

/** Hands committed rows to the queues. Nothing here throws: what does not arrive is sent again by the reconciler. */
export interface Dispatcher {
  /** Keeps what is needed to dispatch a row, so that `dispatch` needs no look into the database. */
  remember(row: DispatchRow): void;
  /** Starts handing rows over; what is called at the same time travels together. A no-op after `close`. */
  dispatch(jobIds: readonly string[]): void;
  /** Hands rows over and waits. @returns ids that the queue store did not accept */
  dispatchRows(rows: readonly DispatchRow[]): Promise<string[]>;
  /** Hands a waiting row over again, before all others. */
  expedite(row: DispatchRow): void;
  /** Resolves when nothing is on its way any more; bounded by the deadline of an add. */
  close(): Promise<void>;
}

const rememberedMax = 10_000;
const batchMax = 500;

interface Lane {
  readonly waiting: Map<string, DispatchRow>;
  sending: Promise<void> | null;
}

/** Makes the dispatcher of a process. */
export function makeDispatcher(options: {
  readonly db: Database;
  readonly store: QueueStore;
  readonly logger: JobLogger;
  readonly timings: JobTimings;
}): Dispatcher {
  const { db, store, timings } = options;
  const warn = throttledWarning(options.logger, 'job.dispatch-failed');
  const remembered = new Map<string, DispatchRow>();
  const lanes = new Map<string, Lane>();
  const running = new Set<Promise<void>>();
  let isClosed = false;

  const added = (adding: Promise<void>) =>
    withinDeadline(adding, timings.addTimeoutMs, 'Adding to the queue');

  /** One add at a time and queue; what arrives meanwhile goes with the next, and so does what is dispatched in one turn. */
  async function drain(queueName: string, lane: Lane): Promise<void> {
    await nextTurn();
    while (lane.waiting.size > 0) {
      const rows = [...lane.waiting.values()].slice(0, batchMax);
      for (const row of rows) lane.waiting.delete(row.id);
      await added(store.addTogether(queueName, rows)).catch(warn);
    }
    lane.sending = null;
  }

  function send(row: DispatchRow): void {
    const queueName = queueNameOf(row);
    const lane = lanes.get(queueName) ?? { waiting: new Map(), sending: null };
    lanes.set(queueName, lane);
    lane.waiting.set(row.id, row);
    lane.sending ??= drain(queueName, lane);
  }

  function inBackground(work: Promise<void>): void {
    const noted = work.catch(warn).finally(() => running.delete(noted));
    running.add(noted);
  }

  return {
    remember: (row) => {
      remembered.set(row.id, row);
      const oldest = remembered.size > rememberedMax ? remembered.keys().next().value : undefined;
      if (oldest !== undefined) remembered.delete(oldest);
    },
    dispatch: (jobIds) => {
      if (isClosed) return;
      const unknown: string[] = [];
      for (const id of jobIds) {
        const row = remembered.get(id);
        remembered.delete(id);
        if (row === undefined) unknown.push(id);
        else send(row);
      }
      if (unknown.length > 0) inBackground(listDispatchRows(db, unknown).then((rows) => rows.forEach(send)));
    },
    dispatchRows: async (rows) => {
      const refused: string[] = [];
      for (const [queueName, members] of byQueue(rows)) {
        try {
          await added(store.add(queueName, members));
        } catch (error) {
          warn(error);
          refused.push(...members.map((row) => row.id));
        }
      }
      return refused;
    },
    expedite: (row) => {
      const taken = withinDeadline(
        store.remove(queueNameOf(row), queuedIdOf(row)),
        timings.addTimeoutMs,
        'Removing from the queue',
      );
      inBackground(taken.catch(warn).then(() => send(row)));
    },
    close: async () => {
      isClosed = true;
      while (running.size > 0) await Promise.allSettled(running);
      await Promise.allSettled([...lanes.values()].map((lane) => lane.sending));
    },
  };
}

function byQueue(rows: readonly DispatchRow[]): Map<string, DispatchRow[]> {
  const groups = new Map<string, DispatchRow[]>();
  for (const row of rows) {
    const queueName = queueNameOf(row);
    const group = groups.get(queueName);
    if (group === undefined) groups.set(queueName, [row]);
    else group.push(row);
  }
  return groups;
}
