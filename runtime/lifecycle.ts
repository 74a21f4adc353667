import type { EventEmitter } from 'node:events';
import type { EventLogger } from './logger.ts';

/** One step of a shutdown. */
export interface ShutdownStep {
  /** As shown in the log, such as `http.close`. */
  readonly name: string;
  /** After this long the next step starts anyway, and the process ends by SIGKILL. */
  readonly deadlineMs: number;
  run(): Promise<void>;
}

/** The way a process ends. */
export interface Lifecycle {
  /** Aborted when the shutdown starts. */
  readonly signal: AbortSignal;
  /** Runs the steps in order and ends the process; later calls join the first. `exitCode` is 0 for an orderly stop. */
  shutdown(reason: string, exitCode: number): Promise<void>;
}

/** What a lifecycle hears from its process and does to it. Given so that a test can watch. */
export interface ProcessControl {
  /** Emits signals by name, `uncaughtException` and `unhandledRejection`. */
  readonly events: EventEmitter;
  exit(code: number): void;
  /** SIGKILL to ourselves: the one end that nothing can hold up, not even a system call on a dead mount. */
  kill(): void;
}

const ownProcess: ProcessControl = {
  events: process,
  exit: (code) => process.exit(code),
  kill: () => process.kill(process.pid, 'SIGKILL'),
};

/** Ctrl-C under npm arrives twice, from the terminal and from npm; what comes this soon after the first is no wish to force. */
const echoMs = 1_000;

/**
 * Makes the process end in phases: on the first SIGTERM, SIGINT or SIGHUP, on an error nobody caught, or when asked. A step
 * that fails or takes too long is logged and does not keep the others from running. A second signal ends at once.
 */
export function createLifecycle(options: {
  readonly logger: EventLogger;
  readonly steps: readonly ShutdownStep[];
  readonly control?: ProcessControl;
}): Lifecycle {
  const { logger, steps, control = ownProcess } = options;
  const controller = new AbortController();
  let ending: Promise<void> | undefined;
  const shutdown = (reason: string, exitCode: number) => {
    ending ??= (async () => {
      logger.info({ reason }, 'shutdown.started');
      controller.abort(new Error(`shutdown: ${reason}`));
      let isClean = true;
      for (const step of steps) isClean = (await runStep(step, logger)) && isClean;
      logger.info({ is_clean: isClean }, 'shutdown.finished');
      if (isClean) control.exit(exitCode);
      else control.kill();
    })();
    return ending;
  };
  let firstSignalAt: number | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    firstSignalAt ??= performance.now();
    if (ending === undefined) void shutdown(name, 0);
    else if (performance.now() - firstSignalAt > echoMs) control.kill();
  };
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) control.events.on(name, onSignal);
  const onError = (err: unknown) => {
    logger.fatal({ err }, 'process.failed');
    void shutdown('an uncaught error', 1);
  };
  control.events.on('uncaughtException', onError);
  control.events.on('unhandledRejection', onError);
  return { signal: controller.signal, shutdown };
}

/** @returns whether the step ended before its deadline; one that failed did end. */
async function runStep(step: ShutdownStep, logger: Pick<EventLogger, 'warn'>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), step.deadlineMs);
  });
  try {
    const outcome = await Promise.race([step.run(), deadline]);
    if (outcome === 'late') logger.warn({ step: step.name, deadline_ms: step.deadlineMs }, 'shutdown.late');
    return outcome !== 'late';
  } catch (err) {
    logger.warn({ step: step.name, err }, 'shutdown.failed');
    return true;
  } finally {
    clearTimeout(timer);
  }
}
