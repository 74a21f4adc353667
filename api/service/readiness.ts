import type { Database } from '../../db/client.ts';
import { pingDatabase } from '../../db/queries/ping.ts';
import type { JobClient } from '../../jobs/job-client.ts';
import type { Volume } from '../../storage/volume.ts';
import type { Services } from '../services.ts';
import { questionTo } from './ask-part.ts';

/** State of a part: usable or not. Why not is for the log of whoever runs it. */
export type PartState = 'ok' | 'unavailable';

/**
 * What `/readyz` answers. `degraded` serves everything there is, but something is missing; `stopping` serves, but not for
 * long.
 */
export interface Readiness {
  readonly status: PartState | 'degraded' | 'stopping';
  readonly database: PartState;
  readonly queue: PartState;
  readonly volumes: Readonly<Record<string, PartState>>;
}

const askDatabase = questionTo((db: Database) => pingDatabase(db).then(() => true));

const askQueue = questionTo((jobs: Pick<JobClient, 'ping'>) => jobs.ping().then(() => true));

/** Bytes and inodes of a volume, free and in total; `undefined` when it does not answer within 2 s. */
export const askCapacity = questionTo((volume: Volume) => volume.capacity());

function stateOf(answer: unknown): PartState {
  return answer === undefined ? 'unavailable' : 'ok';
}

/**
 * Asks the database, the store of the queues and every volume whether they answer, all at once. The service is ready while
 * the database and at least one volume are usable: a hung volume must not take the others out of service, and without the
 * queues reads go on, and what is written is done when they are back.
 */
export async function checkReadiness(
  services: Pick<Services, 'db' | 'jobs' | 'volumes' | 'stopping'>,
): Promise<Readiness> {
  const volumes = [...services.volumes];
  const [database, queue, ...capacities] = await Promise.all([
    askDatabase(services.db),
    askQueue(services.jobs),
    ...volumes.map(([, volume]) => askCapacity(volume)),
  ]);
  const states = capacities.map(stateOf);
  const byName = Object.fromEntries(volumes.map(([name], index) => [name, states[index] ?? 'unavailable']));
  return {
    status: services.stopping?.aborted
      ? 'stopping'
      : statusOf({ database: stateOf(database), queue: stateOf(queue), volumes: states }),
    database: stateOf(database),
    queue: stateOf(queue),
    volumes: byName,
  };
}

function statusOf(parts: {
  readonly database: PartState;
  readonly queue: PartState;
  readonly volumes: readonly PartState[];
}): Readiness['status'] {
  const { database, queue, volumes } = parts;
  if (database !== 'ok' || !volumes.includes('ok')) return 'unavailable';
  return queue === 'ok' && volumes.every((state) => state === 'ok') ? 'ok' : 'degraded';
}
