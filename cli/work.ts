import type { Work } from '../client/jobs.ts';
import type { Job } from '../client/models.ts';
import type { Invocation } from './invocation.ts';
import { startProgress } from './progress.ts';
import { writeOut } from './terminal.ts';

/** Says on stderr how far a job is. */
export function showJobProgress(invocation: Invocation, title: string) {
  const isQuiet = invocation.flag('quiet');
  const meter = startProgress(invocation.terminal, { title, isQuiet });
  return {
    onLook: ({ progress }: Job) => {
      if (progress === null) return;
      meter.state.doneBytes = progress.bytes;
      meter.state.doneFiles = progress.entries;
      meter.state.totalBytes = progress.of?.bytes ?? 0;
      meter.state.totalFiles = progress.of?.entries ?? 0;
    },
    stop: meter.stop,
  };
}

/**
 * Follows work to its end, naming its job first. With `--detach` its id is printed and `undefined` answered; an interrupt
 * leaves the job running and says how to come back to it.
 */
export async function followWork<T>(
  invocation: Invocation,
  title: string,
  work: Work<T>,
): Promise<T | undefined> {
  const { terminal } = invocation;
  const { jobId } = work;
  if (jobId === undefined) return work.finish();
  if (invocation.flag('detach')) {
    await writeOut(terminal, `${jobId}\n`);
    return undefined;
  }
  if (!invocation.flag('quiet')) terminal.stderr.write(`${title}: job ${jobId}\n`);
  const shown = showJobProgress(invocation, title);
  try {
    return await work.finish({ signal: terminal.signal, onLook: shown.onLook });
  } catch (error) {
    if (terminal.signal.aborted) {
      shown.stop();
      terminal.stderr.write(
        `The job goes on: "vfolder jobs watch ${jobId}" follows it, "vfolder jobs cancel ${jobId}" ends it.\n`,
      );
    }
    throw error;
  } finally {
    shown.stop();
  }
}
