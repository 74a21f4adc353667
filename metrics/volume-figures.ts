import { Gauge, type Registry } from 'prom-client';
import type { Volume } from '../storage/volume.ts';
import { readerOf } from './collector.ts';
import type { Figures } from './figures.ts';

const freshMs = 5_000;
const deadlineMs = 2_000;

async function probe(volume: Volume) {
  const startedAt = performance.now();
  const capacity = await volume.capacity();
  return { ...capacity, seconds: (performance.now() - startedAt) / 1_000 };
}

/** Shows room and pace of every volume as this process has it mounted. One that hangs has one question waiting, not more. */
export function volumeFigures(registry: Registry, volumes: ReadonlyMap<string, Volume>): Figures {
  const registers = [registry];
  const labelled = ['volume', 'kind'] as const;
  const bytes = new Gauge({
    name: 'vfolder_volume_bytes',
    help: 'Bytes of the volume’s file system.',
    labelNames: labelled,
    registers,
  });
  const inodes = new Gauge({
    name: 'vfolder_volume_inodes',
    help: 'Inodes of the volume’s file system; none where it does not count them.',
    labelNames: labelled,
    registers,
  });
  const seconds = new Gauge({
    name: 'vfolder_volume_probe_seconds',
    help: 'How long the volume took to tell its room; absent while it does not answer.',
    labelNames: ['volume'],
    registers,
  });
  const readers = [...volumes].map(([name, volume]) => ({
    name,
    read: readerOf({ freshMs, deadlineMs, load: () => probe(volume) }),
  }));
  return {
    name: 'volumes',
    refresh: async () => {
      const found = await Promise.all(readers.map(async ({ name, read }) => ({ name, room: await read() })));
      for (const gauge of [bytes, inodes, seconds]) gauge.reset();
      for (const { name: volume, room } of found) {
        if (room === undefined) continue;
        bytes.set({ volume, kind: 'used' }, room.bytesTotal - room.bytesFree);
        bytes.set({ volume, kind: 'free' }, room.bytesFree);
        seconds.set({ volume }, room.seconds);
        if (room.inodesTotal === 0) continue;
        inodes.set({ volume, kind: 'used' }, room.inodesTotal - room.inodesFree);
        inodes.set({ volume, kind: 'free' }, room.inodesFree);
      }
      return found.every(({ room }) => room !== undefined);
    },
  };
}
