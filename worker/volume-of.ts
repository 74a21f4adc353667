import { domainError } from '../domain/errors.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';

/** The volume of a job. @throws volume_unavailable when this worker does not have it */
export function volumeOf(services: Pick<WorkerServices, 'volumes'>, name: string): Volume {
  const volume = services.volumes.get(name);
  if (volume === undefined) throw domainError('volume_unavailable', 'The volume is not mounted here.');
  return volume;
}

/** The folder of a job whose kind always has one. @throws internal */
export function folderIdOf(job: { readonly id: string; readonly folderId: string | null }): string {
  if (job.folderId === null) throw domainError('internal', 'The job has no folder.');
  return job.folderId;
}
