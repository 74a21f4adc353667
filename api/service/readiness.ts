import timers from 'node:timers/promises';
import { pingDatabase } from '../../db/queries/ping.ts';
import type { Services } from '../services.ts';

/** A part has to answer within this long to count as usable. */
export const checkMsMax = 2_000;

/** State of a part: usable or not. Why not is for the log of whoever runs it. */
export type PartState = 'ok' | 'unavailable';

/** What `/readyz` answers. */
export interface Readiness {
  readonly status: PartState;
  readonly database: PartState;
  readonly volumes: Readonly<Record<string, PartState>>;
}

async function stateOf(check: Promise<unknown>): Promise<PartState> {
  const late = new AbortController();
  const isLate = timers
    .setTimeout(checkMsMax, 'late', { signal: late.signal, ref: false })
    .catch(() => 'late');
  const outcome = await Promise.race([
    check.then(
      () => 'ok',
      () => 'failed',
    ),
    isLate,
  ]);
  late.abort();
  return outcome === 'ok' ? 'ok' : 'unavailable';
}

// Hung storage keeps its check for ever; asking again meanwhile would pile such checks up.
const pending = new WeakMap<object, Promise<unknown>>();

function once(part: object, check: () => Promise<unknown>): Promise<unknown> {
  const running = pending.get(part);
  if (running !== undefined) return running;
  const started = check().finally(() => pending.delete(part));
  pending.set(part, started);
  return started;
}

/**
 * Asks the database and every volume whether they answer, all at once. The service is ready while the database and at
 * least one volume are usable: a hung volume must not take the others out of service.
 */
export async function checkReadiness(services: Pick<Services, 'db' | 'volumes'>): Promise<Readiness> {
  const volumes = [...services.volumes];
  const [database, ...states] = await Promise.all([
    stateOf(once(services.db, () => pingDatabase(services.db))),
    ...volumes.map(([, volume]) => stateOf(once(volume, () => volume.capacity()))),
  ]);
  const byName = Object.fromEntries(volumes.map(([name], index) => [name, states[index] ?? 'unavailable']));
  const isReady = database === 'ok' && states.some((state) => state === 'ok');
  return { status: isReady ? 'ok' : 'unavailable', database: database ?? 'unavailable', volumes: byName };
}
