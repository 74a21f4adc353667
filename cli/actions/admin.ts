import type { VFolderClient } from '../../client/client.ts';
import { isProblem } from '../../client/errors.ts';
import type { Recount } from '../../client/folders.ts';
import type { Work } from '../../client/jobs.ts';
import type { Queue } from '../../client/models.ts';
import { parseFolder } from '../address.ts';
import { eachItem } from '../each-item.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { openSession } from '../session.ts';
import { formatSeconds } from '../sizes.ts';
import { printable } from '../terminal.ts';
import { followWork } from '../work.ts';

function countOf(queue: Queue, ...states: readonly string[]): number {
  return states.reduce((sum, state) => sum + (queue.counts[state] ?? 0), 0);
}

const waitingStates = ['waiting', 'delayed'];

/** Shows whether the service can work, and what waits. */
export const showStatus: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const readiness = await client.admin.readiness();
  const version = await client.account.version();
  const queues = await client.admin.queues();
  const [waiting, running, failed] = [waitingStates, ['active'], ['failed']].map((states) =>
    queues.reduce((sum, queue) => sum + countOf(queue, ...states), 0),
  );
  const shown = { ...readiness, version: version.manager, jobs: { waiting, running, failed } };
  const paused = queues.filter((queue) => queue.is_paused).map(({ queue }) => queue);
  const closed = (await client.admin.volumes()).filter(({ state }) => state !== 'active');
  await printOne(invocation.terminal, invocation.form(), shown, {
    name: readiness.status,
    fields: [
      ['service', `${readiness.status} (${version.manager})`],
      ['database', readiness.database],
      ...Object.entries(readiness.volumes).map(([name, state]) => [`volume ${name}`, String(state)] as const),
      ['jobs', `${waiting} waiting, ${running} running, ${failed} failed`],
      ...(paused.length === 0 ? [] : ([['paused', paused.join(', ')]] as const)),
      ...closed.map(({ name, state }) => [`volume ${name}`, state] as const),
    ],
  });
  if (readiness.status !== 'ok') {
    throw new CliError(
      exitCodes.temporary,
      'The service cannot do all of its work: "vfolder admin doctor" on its machine says why.',
    );
  }
};

/** Lists queues. */
export const listQueues: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.queues(), {
    columns: [
      { title: 'QUEUE', cell: (queue) => queue.queue },
      { title: 'WAITING', cell: (queue) => String(countOf(queue, ...waitingStates)), align: 'end' },
      { title: 'RUNNING', cell: (queue) => String(countOf(queue, 'active')), align: 'end' },
      { title: 'FAILED', cell: (queue) => String(countOf(queue, 'failed')), align: 'end' },
      { title: 'OLDEST', cell: (queue) => formatSeconds(queue.oldest_waiting_seconds ?? 0), align: 'end' },
      { title: 'LIMIT', cell: (queue) => String(queue.concurrency ?? 'none'), align: 'end' },
      { title: 'STATE', cell: (queue) => (queue.is_paused ? 'paused' : 'open') },
    ],
    name: (queue) => queue.queue,
  });
};

async function eachQueue(invocation: Invocation, change: 'pause' | 'resume' | 'retryFailed'): Promise<void> {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, {
    act: (name) =>
      change === 'retryFailed'
        ? client.admin.retryFailed(name)
        : client.admin.pauseQueue(name, change === 'pause'),
  });
}

/** Pauses queues. */
export const pauseQueues: Action = (invocation) => eachQueue(invocation, 'pause');
/** Resumes queues. */
export const resumeQueues: Action = (invocation) => eachQueue(invocation, 'resume');
const concurrencyMost = 10_000;

/** Sets how many jobs of a queue run at a time. */
export const limitQueue: Action = async (invocation) => {
  const wanted = invocation.arg(1);
  const isNumber = /^[1-9]\d{0,4}$/.test(wanted) && Number(wanted) <= concurrencyMost;
  if (wanted !== 'none' && !isNumber)
    throw usageError(`Jobs at a time are 1 to ${concurrencyMost}, or "none", not "${wanted}".`);
  const concurrency = isNumber ? Number(wanted) : null;
  const { client } = await openSession(invocation);
  await client.admin.limitQueue(invocation.arg(0), concurrency);
};

/** Gives the failed jobs of queues another go. */
export const retryFailed: Action = (invocation) => eachQueue(invocation, 'retryFailed');

/** Lists workers. */
export const listWorkers: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.workers(), {
    columns: [
      { title: 'ID', cell: (worker) => worker.id },
      { title: 'HOST', cell: (worker) => worker.host },
      { title: 'PID', cell: (worker) => String(worker.pid), align: 'end' },
      { title: 'VERSION', cell: (worker) => worker.version },
      { title: 'STATE', cell: (worker) => worker.state },
      { title: 'QUEUES', cell: (worker) => worker.queues.join(',') },
      { title: 'VOLUMES', cell: (worker) => worker.volumes.join(',') },
      { title: 'JOBS', cell: (worker) => String(worker.jobs.length), align: 'end' },
      { title: 'LAST SIGN', cell: (worker) => worker.last_beat_at },
    ],
    name: (worker) => worker.id,
  });
};

async function drainEach(invocation: Invocation, isDraining: boolean): Promise<void> {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: (id) => client.admin.drainWorker(id, isDraining) });
}

/** Asks workers to finish what they run and take no more. */
export const drainWorkers: Action = (invocation) => drainEach(invocation, true);
/** Lets drained workers take jobs again. */
export const undrainWorkers: Action = (invocation) => drainEach(invocation, false);

/** The ids of every folder of the installation; one in the trash has nothing left to count. */
async function listAll(client: VFolderClient): Promise<string[]> {
  const folders = await client.admin.limits.folders(undefined);
  return folders.filter(({ state }) => state === 'active').map(({ id }) => id);
}

const folderId = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** By name a folder is one of the caller's; by its id an administrator may have any counted. */
async function startRecount(client: VFolderClient, name: string): Promise<Work<Recount>> {
  if (!folderId.test(name)) return client.folders.recount(name);
  try {
    return await client.admin.limits.recount(name);
  } catch (error) {
    if (!isProblem(error, 'admin_required')) throw error;
    return client.folders.recount(name);
  }
}

/** Counts folders again. */
export const recount: Action = async (invocation) => {
  const isAll = invocation.flag('all');
  const named = invocation.args.map(parseFolder);
  if (isAll === named.length > 0) throw usageError('Name folders, or give --all.');
  const { client } = await openSession(invocation);
  const names = isAll ? await listAll(client) : named;
  const counted: ({ readonly name: string } & Recount)[] = [];
  const act = async (name: string): Promise<void> => {
    const work = await startRecount(client, name);
    const result = await followWork(invocation, `Counting ${printable(name)}`, work);
    if (result !== undefined) counted.push({ name, ...result });
  };
  const show = () =>
    printList(invocation.terminal, invocation.form(), counted, {
      columns: [
        { title: 'FOLDER', cell: (item) => item.name },
        { title: 'BYTES', cell: (item) => String(item.after.bytes), align: 'end' },
        { title: 'FILES', cell: (item) => String(item.after.files), align: 'end' },
        { title: 'DRIFT', cell: (item) => `${item.drift.bytes} bytes, ${item.drift.files} files` },
      ],
      name: (item) => item.name,
    });
  const shown = invocation.flag('detach') ? {} : { show };
  await eachItem(invocation, names, { act, ...shown });
};
