import { domainError } from '../../domain/errors.ts';
import type { VolumeState } from '../../domain/volume-state.ts';
import type { Volume } from '../../storage/volume.ts';
import type { Services } from '../services.ts';
import { type Capacity, probeTogether } from './probe.ts';

type PlacingServices = Pick<Services, 'volumes' | 'jobs'>;

/** Room that differs by less than this part counts as the same, so that volumes of one disk do not take turns by chance. */
const tiePart = 0.01;

/** Bytes that new folders can have; none where no file can be made any more. */
function roomOf({ bytesFree, inodesFree, inodesTotal }: Capacity): number {
  return inodesTotal > 0 && inodesFree === 0 ? 0 : bytesFree;
}

/** The first of those with the most room, give or take 1 %, in the order of the configuration; `undefined` of none. */
export function roomiest<T extends { readonly capacity: Capacity }>(known: readonly T[]): T | undefined {
  const most = Math.max(...known.map(({ capacity }) => roomOf(capacity)));
  return known.find(({ capacity }) => roomOf(capacity) >= most * (1 - tiePart));
}

/** @throws volume_read_only, volume_draining */
function requirePlacing(state: VolumeState): void {
  if (state === 'active') return;
  if (state === 'read_only') {
    throw domainError('volume_read_only', 'This storage host is read-only at the moment; name another one.');
  }
  throw domainError('volume_draining', 'This storage host takes no new folders; name another one.');
}

/** Names of the volumes that a policy allows; `null` is all of them. */
export type AllowedVolumes = readonly string[] | null;

/** Whether a policy allows folders on a volume. */
export function isAllowed(allowed: AllowedVolumes, name: string): boolean {
  return allowed === null || allowed.includes(name);
}

function findHost({ volumes, jobs }: PlacingServices, host: string, allowed: AllowedVolumes): Volume {
  const volume = volumes.get(host);
  if (volume === undefined) {
    const detail = 'There is no such storage host.';
    throw domainError('request_malformed', detail, { errors: [{ pointer: '/host', detail }] });
  }
  if (allowed !== null && !allowed.includes(host)) {
    const detail = `Your policy allows folders on ${allowed.join(', ')} only.`;
    throw domainError('volume_not_allowed', detail);
  }
  requirePlacing(jobs.volumeStates.stateOf(host));
  return volume;
}

/** The active ones among the allowed volumes of this process, in the order of the configuration. */
function activeVolumes({ volumes, jobs }: PlacingServices, allowed: AllowedVolumes): Volume[] {
  return [...volumes]
    .filter(([name]) => jobs.volumeStates.stateOf(name) === 'active' && isAllowed(allowed, name))
    .map(([, volume]) => volume);
}

/**
 * The active and allowed volume with the most room, as of at most 5 s ago; with room that differs by less than 1 %, the one that is
 * configured first. One that does not answer takes nothing.
 * @throws volume_draining when no volume takes new folders, volume_unavailable when none of those that do answers
 */
async function findRoomiest(services: PlacingServices, allowed: AllowedVolumes): Promise<Volume> {
  const candidates = activeVolumes(services, allowed);
  const [only, ...others] = candidates;
  if (only === undefined) {
    throw domainError('volume_draining', 'No storage host takes new folders at the moment.');
  }
  if (others.length === 0) return only;
  const probes = await probeTogether(candidates);
  const known = candidates.flatMap((volume, index) => {
    const capacity = probes[index]?.capacity;
    return capacity === undefined ? [] : [{ volume, capacity }];
  });
  const found = roomiest(known);
  if (found === undefined) throw domainError('volume_unavailable', 'No storage host answers at the moment.');
  return found.volume;
}

/**
 * The volume for a new folder: `host`, or else `usual` when that is active, or else the active one with the most room; always
 * one of the `allowed`. @throws request_malformed (unknown host), volume_not_allowed, volume_read_only, volume_draining,
 *   volume_unavailable
 */
export async function placeFolder(
  services: PlacingServices,
  wanted: {
    readonly host: string | undefined;
    readonly usual?: string;
    readonly allowed: AllowedVolumes;
  },
): Promise<Volume> {
  const { host, usual, allowed } = wanted;
  if (host !== undefined) return findHost(services, host, allowed);
  const preferred = activeVolumes(services, allowed).find(({ name }) => name === usual);
  return preferred ?? (await findRoomiest(services, allowed));
}

/** Where {@link placeFolder} would put a folder now, by name; the first allowed volume while none takes any. */
export async function defaultHostOf(services: PlacingServices, allowed: AllowedVolumes): Promise<string> {
  const placed = await findRoomiest(services, allowed).catch(() => undefined);
  const names = [...services.volumes.keys()];
  return placed?.name ?? names.find((name) => isAllowed(allowed, name)) ?? names[0] ?? '';
}
