import { latencyClasses } from './walker-messages.ts';

/** Walkers on storage that answers from memory: more only wait for each other inside the file system. */
export const walkersMin = 2;
/** Walkers at most, so that one worker is never all that a slow volume has to serve. */
export const walkersMax = 12;
/** A call that takes this long, in microseconds, is work for the processor and nothing to wait for. */
const busyUs = 16;
/** Samples to judge by. */
const samplesMin = 16;

/** Decides how many walkers the storage is worth. */
export interface WalkerCount {
  /** How many there should be, never fewer than before. */
  wanted(): number;
  /** Whether calls are known to wait for storage. */
  isFar(): boolean;
  /** Adds samples: how many calls took how long, by class. */
  learn(latencies: readonly number[]): void;
}

/** The middle of the samples, in microseconds: a preempted process or a busy journal moves the mean, not this. */
function medianUs(counts: readonly number[], samples: number): number {
  let passed = 0;
  for (const [index, count] of counts.entries()) {
    passed += count;
    if (passed * 2 >= samples) return 1.5 * 2 ** index;
  }
  return 0;
}

/**
 * Starts with what suits a local disk. While a call waits for storage its process does nothing, so there are as many as
 * keep about one processor busy: a volume that takes 100 µs more per call gets six, one that takes 200 µs more or longer
 * {@link walkersMax}.
 */
export function createWalkerCount(): WalkerCount {
  let counts: number[] = new Array(latencyClasses).fill(0);
  let wanted = walkersMin;
  return {
    wanted: () => wanted,
    isFar: () => wanted > walkersMin,
    learn(latencies) {
      counts = counts.map((count, index) => count + (latencies[index] ?? 0));
      const samples = counts.reduce((sum, count) => sum + count, 0);
      if (samples < samplesMin) return;
      wanted = Math.max(wanted, Math.min(walkersMax, Math.round(medianUs(counts, samples) / busyUs)));
      counts.fill(0);
    },
  };
}
