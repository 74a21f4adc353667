/**
 * What became of one path of a delete. `not_found`: it had gone by itself. `changed`: another entry has the name and was
 * left alone. `kept`: the storage does not let it go, as with a mount point or a program that runs.
 */
export const deleteOutcomes = ['deleted', 'not_found', 'changed', 'kept'] as const;

/** One of {@link deleteOutcomes}. */
export type DeleteOutcome = (typeof deleteOutcomes)[number];
