/** Entries of a step on storage that answers from memory. */
const entriesMax = 32;
/** The fewest, however slow a call is. */
const entriesMin = 2;
/** How long a step takes at most where calls wait: who walks hears nothing meanwhile, and nobody hears of what it has left. */
const stepMs = 4;

/** How many entries a walk works off between two questions whether others want work, or whether it has to stop. */
export interface StepSize {
  entries(): number;
  /** Tells how long one of the calls took, in milliseconds. */
  learn(ms: number): void;
}

/** Starts with the most. The last call counts: one that was held up makes one step shorter. */
export function createStepSize(): StepSize {
  let entries = entriesMax;
  return {
    entries: () => entries,
    learn(ms) {
      entries = Math.max(entriesMin, Math.min(entriesMax, Math.floor(stepMs / ms)));
    },
  };
}
