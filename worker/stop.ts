import { WorkerStoppingError } from '../jobs/abort-reasons.ts';

/**
 * For steps that must not be taken by a run that lost its job: whoever has it now may end it as failed, and nothing may
 * appear after that. A worker that stops still has it. @throws the reason of `signal`
 */
export function stopUnlessStopping(signal: AbortSignal): void {
  if (signal.aborted && !(signal.reason instanceof WorkerStoppingError)) throw signal.reason;
}
