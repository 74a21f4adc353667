/** Its owner cancelled the job: it ends as cancelled. */
export class JobCancelledError extends Error {
  constructor() {
    super('The job was cancelled.');
    this.name = 'JobCancelledError';
  }
}

/** This worker is about to stop: the job goes to another one, and the run does not count. */
export class WorkerStoppingError extends Error {
  constructor() {
    super('The worker is stopping.');
    this.name = 'WorkerStoppingError';
  }
}

/** The volume became read-only: the job waits until it is no more, and the run does not count. */
export class VolumeReadOnlyError extends Error {
  constructor() {
    super('The volume is read-only.');
    this.name = 'VolumeReadOnlyError';
  }
}

/** The run took longer than its kind allows: it counts as failed. */
export class JobTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`The job did not end within ${timeoutMs / 1_000} s.`);
    this.name = 'JobTimeoutError';
  }
}
