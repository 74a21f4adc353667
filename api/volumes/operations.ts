import { insertAudit } from '../../db/queries/audit.ts';
import {
  countFoldersByVolume,
  countRunningWriters,
  listVolumeSettings,
  type VolumeSetting,
} from '../../db/queries/volumes.ts';
import { domainError } from '../../domain/errors.ts';
import type { VolumeState } from '../../domain/volume-state.ts';
import { readingKinds } from '../../jobs/volume-states.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';
import { readWorkers } from '../workers/operations.ts';
import { type Probe, probeVolume } from './probe.ts';

type VolumeServices = Pick<Services, 'db' | 'jobs' | 'volumes'>;

/** A volume as operators see it. */
export interface VolumeView extends VolumeSetting {
  readonly name: string;
  readonly probe: Probe;
  /** Folders that lie on it, those in the trash and those about to be freed included. */
  readonly folders: number;
  /** Running jobs that change something on it. With 0 and `read_only`, jobs have come to rest. */
  readonly runningWriters: number;
  /** Worker processes that have it mounted. */
  readonly workerIds: readonly string[];
}

async function viewOf(services: VolumeServices, names: readonly string[]): Promise<VolumeView[]> {
  const { db } = services;
  const [settings, folders, writers, workers] = await Promise.all([
    listVolumeSettings(db),
    countFoldersByVolume(db),
    countRunningWriters(db, readingKinds),
    readWorkers(services),
  ]);
  const view = async (name: string): Promise<VolumeView[]> => {
    const volume = services.volumes.get(name);
    if (volume === undefined) return [];
    const setting = settings.find((one) => one.name === name);
    return [
      {
        name,
        state: setting?.state ?? 'active',
        changedAt: setting?.changedAt ?? null,
        probe: await probeVolume(volume),
        folders: folders.get(name) ?? 0,
        runningWriters: writers.get(name) ?? 0,
        workerIds: workers.filter(({ volumes }) => volumes.includes(name)).map(({ id }) => id),
      },
    ];
  };
  return (await Promise.all(names.map(view))).flat();
}

/** The volumes of this process, in the order of its configuration. One that hangs costs two seconds. */
export async function readVolumes(services: VolumeServices): Promise<VolumeView[]> {
  return await viewOf(services, [...services.volumes.keys()]);
}

/** One of the volumes of this process. @throws not_found */
export async function readVolume(services: VolumeServices, name: string): Promise<VolumeView> {
  const [view] = await viewOf(services, [name]);
  if (view === undefined) throw domainError('not_found', 'There is no such volume.');
  return view;
}

/**
 * Sets what a volume may be used for. This process knows when it resolves, the others a moment later; no job that would
 * change a read-only volume begins after it. @throws not_found
 */
export async function changeVolume(
  services: VolumeServices,
  request: { readonly operator: Operator; readonly name: string; readonly state: VolumeState },
): Promise<VolumeView> {
  const { operator, name, state } = request;
  if (!services.volumes.has(name)) throw domainError('not_found', 'There is no such volume.');
  await services.jobs.volumeStates.change(name, {
    state,
    note: (tx, before) => {
      const details = { state, before: { state: before } };
      return insertAudit(tx, { ...operator, action: 'volume.change', subject: name, details });
    },
  });
  return await readVolume(services, name);
}
