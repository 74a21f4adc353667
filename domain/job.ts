/** The kinds of background work, `noun.verb`. */
export const jobKinds = [
  'upload.commit',
  'entry.move',
  'entries.copy',
  'folder.clone',
  'trash.purge',
  'folder.purge',
  'archive.build',
  'usage.measure',
  'uploads.expire',
  'archives.expire',
  'trash.expire',
  'storage.sweep',
  'usage.schedule',
] as const;

/** One of {@link jobKinds}. */
export type JobKind = (typeof jobKinds)[number];

/** A job's life: `queued → running → (succeeded | failed | cancelled)`; a retry goes back to `queued`. */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

/** One of {@link jobStates}. */
export type JobState = (typeof jobStates)[number];

/** How far a job is. `of` is the expected total (`null` while unknown); bytes are raw file bytes. */
export interface JobProgress {
  readonly entries: number;
  readonly bytes: number;
  readonly of: { readonly entries: number; readonly bytes: number } | null;
}

/** Tells whether a job in `state` can never run again. */
export function isTerminal(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}
