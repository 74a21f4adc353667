/** Work that runs ahead of being written: bounds what waits. Read each time, so that they may grow. */
export interface StepLimits {
  readonly stepsMax: number;
  readonly bytesMax: number;
}

/** A queue of results that are written in the order in which their work was started. Not for concurrent use. */
export interface OrderedSteps {
  /**
   * Takes work that has started, and what to do with its result; then writes until no more than the limits wait.
   * @param weightBytes memory that the result may take
   * @throws what any work or write fails with; the queue must only be settled then
   */
  push<T>(weightBytes: number, work: Promise<T>, write: (result: T) => Promise<void>): Promise<void>;
  /** Writes everything. */
  drain(): Promise<void>;
  /** Waits until no work is running any more, however it ends. */
  settle(): Promise<void>;
}

interface Step {
  readonly weightBytes: number;
  readonly work: Promise<unknown>;
  isDone: boolean;
  write(): Promise<void>;
}

/** An empty queue. */
export function createOrderedSteps(limits: StepLimits): OrderedSteps {
  const steps: Step[] = [];
  let bytes = 0;
  const writeNext = async (): Promise<void> => {
    const [step] = steps;
    if (step === undefined) return;
    await step.write();
    steps.shift();
    bytes -= step.weightBytes;
  };
  return {
    async push(weightBytes, work, write) {
      const step: Step = { weightBytes, work, isDone: false, write: async () => write(await work) };
      const markDone = (): void => {
        step.isDone = true;
      };
      // Its turn comes later; until then a failure must not count as unhandled.
      work.then(markDone, markDone);
      steps.push(step);
      bytes += weightBytes;
      const isFull = () => steps.length > limits.stepsMax || (bytes > limits.bytesMax && steps.length > 1);
      // What can be written at once makes room for work to come; the rest waits for its turn only when there is too much.
      while (steps[0]?.isDone || isFull()) await writeNext();
    },
    async drain() {
      while (steps.length > 0) await writeNext();
    },
    async settle() {
      await Promise.allSettled(steps.map(({ work }) => work));
    },
  };
}
