import type { VolumeStatus } from '../../client/models.ts';
import { usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { openSession } from '../session.ts';
import { formatBytes } from '../sizes.ts';

const states = ['active', 'read_only', 'draining'];

function percentOf(room: VolumeStatus['bytes']): string {
  if (room === null) return '?';
  return room.total === 0 ? '-' : `${Math.round((room.used / room.total) * 100)} %`;
}

function bytesOf({ bytes }: VolumeStatus, part: 'used' | 'total' | 'free'): string {
  return bytes === null ? '?' : formatBytes(bytes[part]);
}

/** Lists volumes. */
export const listVolumes: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.volumes(), {
    columns: [
      { title: 'VOLUME', cell: (volume) => volume.name },
      { title: 'STATE', cell: (volume) => volume.state },
      { title: 'USED', cell: (volume) => bytesOf(volume, 'used'), align: 'end' },
      { title: 'TOTAL', cell: (volume) => bytesOf(volume, 'total'), align: 'end' },
      { title: 'BYTES', cell: (volume) => percentOf(volume.bytes), align: 'end' },
      { title: 'INODES', cell: (volume) => percentOf(volume.inodes), align: 'end' },
      { title: 'FOLDERS', cell: (volume) => String(volume.folders), align: 'end' },
      { title: 'WRITING', cell: (volume) => String(volume.running_writers), align: 'end' },
      { title: 'WORKERS', cell: (volume) => String(volume.workers.length), align: 'end' },
    ],
    name: (volume) => volume.name,
  });
};

async function print(invocation: Invocation, volume: VolumeStatus): Promise<void> {
  const { probe, inodes } = volume;
  const failure = probe.last_error === null ? 'none' : `${probe.last_error_at}: ${probe.last_error}`;
  await printOne(invocation.terminal, invocation.form(), volume, {
    name: volume.name,
    fields: [
      ['volume', volume.name],
      ['state', volume.changed_at === null ? volume.state : `${volume.state} since ${volume.changed_at}`],
      ['bytes', `${bytesOf(volume, 'used')} of ${bytesOf(volume, 'total')}, ${bytesOf(volume, 'free')} free`],
      ['inodes', inodes === null ? 'not counted' : `${inodes.used} of ${inodes.total}`],
      ['folders', String(volume.folders)],
      ['jobs that write', `${volume.running_writers} running`],
      ['workers', volume.workers.join(', ') || 'none'],
      ['answers in', probe.latency_ms === null ? 'does not answer' : `${probe.latency_ms} ms`],
      ['last answer', probe.last_ok_at ?? 'none'],
      ['last error', failure],
    ],
  });
}

/** Shows a volume. */
export const showVolume: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await print(invocation, await client.admin.volume(invocation.arg(0)));
};

/** Sets what a volume may be used for. */
export const setVolume: Action = async (invocation) => {
  const state = invocation.text('state')?.replace('-', '_');
  if (state === undefined || !states.includes(state)) {
    throw usageError(`Give --state as one of ${states.join(', ')}.`);
  }
  const { client } = await openSession(invocation);
  await print(invocation, await client.admin.setVolume(invocation.arg(0), state));
};
