import type { ArchiveProgress } from './archive-order.ts';
import { type CentralDirectory, createCentralDirectory } from './central-directory.ts';
import type { Omissions } from './omissions.ts';
import { createOrderedSteps, type OrderedSteps } from './ordered-steps.ts';
import type { Output } from './output.ts';
import type { Packer } from './packer.ts';

/** What a zip is made with. */
export interface ZipOptions {
  readonly output: Output;
  readonly packer: Packer;
  readonly omissions: Omissions;
  readonly onProgress?: ((done: ArchiveProgress) => void) | undefined;
}

/** A zip in the making: what is written, what is under way, and what its end will have to say. */
export interface ZipState extends ZipOptions {
  readonly steps: OrderedSteps;
  readonly central: CentralDirectory;
  readonly done: ArchiveProgress;
  /** Counts what was read, and tells. */
  count(more: ArchiveProgress): void;
}

/** Raw content under way per thread: one part being packed, one waiting, and what its results may add. */
const mebibytesPerThread = 4;
const stepsPerThread = 8;

/** The most content of one file that waits so that its header can say the sizes. */
export function heldBytesMax({ packer }: ZipOptions): number {
  return (packer.size * mebibytesPerThread * 1024 * 1024) / 2;
}

/** A queue for what the threads of `packer` make. */
export function createPackSteps(packer: Packer): OrderedSteps {
  return createOrderedSteps({
    get stepsMax() {
      return packer.size * stepsPerThread;
    },
    get bytesMax() {
      return packer.size * mebibytesPerThread * 1024 * 1024;
    },
  });
}

/** A zip with nothing in it. */
export function openZip(options: ZipOptions): ZipState {
  const { packer, onProgress } = options;
  const done = { entries: 0, bytes: 0 };
  return {
    ...options,
    steps: createPackSteps(packer),
    central: createCentralDirectory(),
    done,
    count({ entries, bytes }) {
      done.entries += entries;
      done.bytes += bytes;
      onProgress?.({ ...done });
    },
  };
}
