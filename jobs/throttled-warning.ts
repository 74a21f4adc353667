import type { JobLogger } from './logger.ts';

const quietMs = 10_000;

/** Warns of the first error and then at most every ten seconds, with the number of those in between; for outages. */
export function throttledWarning(logger: JobLogger, event: string): (err: unknown) => void {
  let lastAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (err) => {
    const now = performance.now();
    if (now - lastAt < quietMs) {
      unsaid += 1;
      return;
    }
    logger.warn({ err, unsaid }, event);
    lastAt = now;
    unsaid = 0;
  };
}
