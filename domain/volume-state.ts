/**
 * What operators let a volume be used for. `active`: everything. `read_only`: reading only; whatever would change its
 * content is refused, and jobs that would wait. `draining`: everything but new folders.
 */
export const volumeStates = ['active', 'read_only', 'draining'] as const;

/** One of {@link volumeStates}. */
export type VolumeState = (typeof volumeStates)[number];
