import { setFlagsFromString } from 'node:v8';

// The factor by which young memory grows; V8 takes 1 only once it runs, not from the command line.
const growthFlag = '--semi-space-growth-factor';

/**
 * Keeps young memory as small as it begins, 1 MiB. What a program makes while it loads stays, which V8 takes for a reason to give
 * young memory all it may have: 30 MiB that are resident from then on and hardly used.
 */
export function holdYoungHeap(): void {
  setFlagsFromString(`${growthFlag}=1`);
}

/**
 * From here on young memory may have all at once, 16 times as much, as soon as what runs leaves much behind: requests that come close
 * together are collected too often otherwise. For a program that is loaded.
 */
export function letYoungHeapGrow(): void {
  setFlagsFromString(`${growthFlag}=16`);
}
