import type { Database } from '../../db/client.ts';
import { pingDatabase } from '../../db/queries/ping.ts';
import type { Volume } from '../../storage/volume.ts';
import type { Services } from '../services.ts';
import { questionTo } from './ask-part.ts';

/** State of a part: usable or not. Why not is for the log of whoever runs it. */
export type PartState = 'ok' | 'unavailable';

/** What `/readyz` answers. */
export interface Readiness {
  readonly status: PartState;
  readonly database: PartState;
  readonly volumes: Readonly<Record<string, PartState>>;
}

const askDatabase = questionTo((db: Database) => pingDatabase(db).then(() => true));

/** Bytes and inodes of a volume, free and in total; `undefined` when it does not answer within 2 s. */
export const askCapacity = questionTo((volume: Volume) => volume.capacity());

function stateOf(answer: unknown): PartState {
  return answer === undefined ? 'unavailable' : 'ok';
}

/**
 * Asks the database and every volume whether they answer, all at once. The service is ready while the database and at
 * least one volume are usable: a hung volume must not take the others out of service.
 */
export async function checkReadiness(services: Pick<Services, 'db' | 'volumes'>): Promise<Readiness> {
  const volumes = [...services.volumes];
  const [database, ...capacities] = await Promise.all([
    askDatabase(services.db),
    ...volumes.map(([, volume]) => askCapacity(volume)),
  ]);
  const states = capacities.map(stateOf);
  const byName = Object.fromEntries(volumes.map(([name], index) => [name, states[index] ?? 'unavailable']));
  const isReady = stateOf(database) === 'ok' && states.includes('ok');
  return { status: isReady ? 'ok' : 'unavailable', database: stateOf(database), volumes: byName };
}
