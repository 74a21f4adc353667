import { resultOf } from '../../client/jobs.ts';
import type { Job } from '../../client/models.ts';
import { eachItem } from '../each-item.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { openSession } from '../session.ts';
import { parseWhole } from '../sizes.ts';
import { showJobProgress } from '../work.ts';

function progressText({ progress }: Job): string {
  if (progress === null) return '';
  const of = progress.of?.bytes ?? 0;
  return of > 0 ? `${Math.floor((progress.bytes / of) * 100)} %` : `${progress.entries} entries`;
}

/** Lists jobs. */
export const listJobs: Action = async (invocation) => {
  const limit = parseWhole(invocation.text('limit') ?? '50', 'limit', [1, 1_000_000]);
  const { client } = await openSession(invocation);
  const query = { state: invocation.text('state'), all: invocation.flag('all'), limit };
  await printList(invocation.terminal, invocation.form(), await client.jobs.list(query), {
    columns: [
      { title: 'ID', cell: (job) => job.id },
      { title: 'KIND', cell: (job) => job.kind },
      { title: 'STATE', cell: (job) => job.state },
      { title: 'PROGRESS', cell: progressText },
      { title: 'CREATED', cell: (job) => job.created_at },
      { title: 'ERROR', cell: (job) => job.error?.code ?? '' },
    ],
    name: (job) => job.id,
  });
};

async function printJob(invocation: Invocation, job: Job): Promise<void> {
  await printOne(invocation.terminal, invocation.form(), job, {
    name: job.id,
    fields: [
      ['id', job.id],
      ['kind', job.kind],
      ['state', job.state],
      ...(job.progress === null ? [] : ([['progress', progressText(job)]] as const)),
      ['created', job.created_at],
      ['started', job.started_at ?? ''],
      ['finished', job.finished_at ?? ''],
      ...(job.error === null ? [] : ([['error', `${job.error.code}: ${job.error.detail ?? ''}`]] as const)),
      ...(job.result === null ? [] : ([['result', JSON.stringify(job.result)]] as const)),
    ],
  });
}

/** Shows a job. */
export const showJob: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printJob(invocation, await client.jobs.show(invocation.arg(0)));
};

/** Follows a job to its end; one that did not succeed ends the program with the code for that. */
export const watchJob: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const id = invocation.arg(0);
  const shown = showJobProgress(invocation, `Job ${id}`);
  const options = { signal: invocation.terminal.signal, onLook: shown.onLook };
  const job = await client.jobs.follow(id, options).finally(shown.stop);
  await printJob(invocation, job);
  resultOf(job);
};

/** Cancels jobs. */
export const cancelJobs: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, {
    act: async (id) => {
      await client.jobs.cancel(id);
    },
  });
};

/** Gives jobs another go. */
export const retryJobs: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, {
    act: async (id) => {
      await client.jobs.retry(id);
    },
  });
};
