import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../db/client.ts';
import { listVolumeSettings } from '../db/queries/volumes.ts';
import { volumeStates } from '../domain/volume-state.ts';
import { readerOf } from './collector.ts';
import type { Figures } from './figures.ts';

const freshMs = 5_000;
const deadlineMs = 2_500;

/** Shows what operators let each volume be used for. */
export function volumeStateFigures(registry: Registry, db: Database, volumes: readonly string[]): Figures {
  const gauge = new Gauge({
    name: 'vfolder_volume_state',
    help: 'Whether the volume is in the state: 1 for the one that is set, 0 for the others.',
    labelNames: ['volume', 'state'],
    registers: [registry],
  });
  const read = readerOf({ freshMs, deadlineMs, load: () => listVolumeSettings(db) });
  return {
    name: 'volume_states',
    refresh: async () => {
      const settings = await read();
      gauge.reset();
      if (settings === undefined) return false;
      for (const volume of volumes) {
        const current = settings.find(({ name }) => name === volume)?.state ?? 'active';
        for (const state of volumeStates) gauge.set({ volume, state }, state === current ? 1 : 0);
      }
      return true;
    },
  };
}
