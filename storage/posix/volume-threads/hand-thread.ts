import { serveTasks } from '../../threads/serve-tasks.ts';
import { takeStep } from './hand-steps.ts';
import type { HandsDone, HandTask } from './hand-tasks.ts';

/** The script of a thread that takes steps for commits. It gets descriptors and names, never a path. */
serveTasks<HandTask, HandsDone>((task) => {
  const begunAt = performance.now();
  const outcomes = task.map(takeStep);
  return { result: { outcomes, ms: performance.now() - begunAt }, transfer: [] };
});
