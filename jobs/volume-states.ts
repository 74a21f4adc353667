import type { Database } from '../db/client.ts';
import { type JobNotifications, notifyJob } from '../db/notifications.ts';
import { listVolumeSettings, lockVolumeState, updateVolumeState } from '../db/queries/volumes.ts';
import { type JobKind, jobKinds } from '../domain/job.ts';
import type { VolumeState } from '../domain/volume-state.ts';
import { type JobContract, jobContracts } from './contracts.ts';
import { changedWord, volumesTopic } from './notification-words.ts';
import type { Note } from './queue-admin.ts';

/** What operators let each volume be used for, as this process knows it. The truth is in the database. */
export interface VolumeStates {
  /** As last heard: a moment behind what is set, a second when a notification got lost. */
  stateOf(volume: string): VolumeState;
  /** Sets a state for every process, and waits until this one knows. */
  change(
    volume: string,
    change: { readonly state: VolumeState; readonly note: Note<VolumeState> },
  ): Promise<void>;
  /** Calls `listener` whenever a state has changed. @returns the end of it */
  subscribe(listener: () => void): () => void;
}

/** The states with what keeps them fresh. */
export interface OpenVolumeStates extends VolumeStates {
  /** Reads them anew. Several calls at once are one or two reads. */
  refresh(): Promise<void>;
  /** Hears of no more changes. */
  close(): void;
}

/** The kinds of jobs that change nothing on their volume and go on while it is read-only. */
export const readingKinds: readonly JobKind[] = jobKinds.filter((kind) => {
  const { isReading }: JobContract = jobContracts[kind];
  return isReading === true;
});

/** Opens the states; nothing is known before the first `refresh`, and then every volume counts as active. */
export function openVolumeStates(options: {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly onError: (error: unknown) => void;
}): OpenVolumeStates {
  const { db, onError } = options;
  let states: ReadonlyMap<string, VolumeState> = new Map();
  const listeners = new Set<() => void>();
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const stateOf = (volume: string): VolumeState => states.get(volume) ?? 'active';
  const load = async () => {
    const settings = await listVolumeSettings(db);
    const isNew = settings.some(({ name, state }) => state !== stateOf(name));
    states = new Map(settings.map(({ name, state }) => [name, state]));
    if (isNew) for (const listener of listeners) listener();
  };
  const begin = (): Promise<void> => {
    running = load().finally(() => {
      running = undefined;
    });
    return running;
  };
  // A read under way may have begun before the change that is heard of, so another follows it.
  const refresh = (): Promise<void> => {
    if (running === undefined) return begin();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return begin();
      });
    return next;
  };
  const unsubscribe = options.notifications.subscribe(volumesTopic, () => {
    refresh().catch(onError);
  });
  return {
    stateOf,
    refresh,
    change: async (name, { state, note }) => {
      await db.transaction(async (tx) => {
        await note(tx, await lockVolumeState(tx, name));
        await updateVolumeState(tx, { name, state });
      });
      // Everybody looks every second anyway.
      await notifyJob(db, volumesTopic, changedWord).catch(() => undefined);
      await refresh();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: unsubscribe,
  };
}
