import type { NewJob } from './job-client.ts';

/**
 * A request to count a folder's tree. Requests of one actor for a folder that is still waiting collapse into one; not
 * those of several, for each may look at their own jobs only.
 */
export function measureRequest(
  folderId: string,
  volume: string,
  actorId: string | null,
): NewJob<'usage.measure'> {
  return {
    kind: 'usage.measure',
    payload: {},
    volume,
    folderId,
    actorId,
    dedupeKey: `usage.measure:${folderId}:${actorId ?? 'service'}`,
  };
}
