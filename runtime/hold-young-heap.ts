import { holdYoungHeap } from './young-heap.ts';

// A program imports this before all others. What is compiled before its first line runs, about half of it, is held only where
// this module is loaded before the program, by `--import`.
holdYoungHeap();
