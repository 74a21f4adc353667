import { z } from 'zod';
import type { Mount, MountSession } from '../../db/queries/mounts.ts';
import { toHexId } from '../../domain/ids.ts';
import { mountFoldersMax, mountLeaseSeconds, mountSessionPattern, mountTarget } from '../../domain/mount.ts';
import { pageLimit, plainText, userReference } from '../admin/schemas.ts';
import { queryBoolean, queryInteger, stringList } from '../http/schema.ts';
import { hexId, instant, uuid } from '../http/wire.ts';
import type { Services } from '../services.ts';

const leaseSeconds = queryInteger({ min: mountLeaseSeconds.least, max: mountLeaseSeconds.most });
const hostCharactersMax = 64;

/** Input of `POST /mounts`: `folders` are names or ids, each with an alias behind a colon if it shall have one. */
export const mountInput = z.object({
  session: z.string().regex(mountSessionPattern, 'One to 64 letters, digits, ".", "_" or "-".'),
  folders: stringList({ min: 1, max: mountFoldersMax }),
  read_only: queryBoolean.default(false),
  lease_seconds: leaseSeconds.optional(),
});

/** Input of `POST /mounts/:session/heartbeat`. Without `lease_seconds` the lease is as long as before. */
export const heartbeatInput = z.object({ lease_seconds: leaseSeconds.optional() });

/** `GET /admin/mounts`: `cursor` is the id of the last session of the page before; `folder` is an id. */
export const mountListInput = z.object({
  user: userReference.optional(),
  folder: z.string().optional(),
  host: plainText(hostCharactersMax).optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

const mountBody = z
  .object({
    folder: hexId,
    name: z.string(),
    alias: z.string(),
    host: z.string(),
    source: z.string().nullable(),
    subpath: z.string().nullable(),
    target: z.string(),
    read_only: z.boolean(),
    state: z.enum(['active', 'revoked']),
  })
  .meta({ id: 'Mount' });

/** A compute session with what it has mounted. */
export const mountSessionBody = z
  .object({
    id: uuid,
    session: z.string(),
    created_at: instant,
    expires_at: instant,
    lease_seconds: z.int(),
    mounts: z.array(mountBody),
  })
  .meta({ id: 'MountSession' });

/** Reply of `GET /mounts`. */
export const mountListBody = z.object({ items: z.array(mountSessionBody) });

const ownedSession = z
  .object({ ...mountSessionBody.shape, user: uuid, user_email: z.string() })
  .meta({ id: 'OwnedMountSession' });

/** Reply of `GET /admin/mounts`. */
export const mountPageBody = z.object({ items: z.array(ownedSession), next_cursor: uuid.nullable() });

function presentMount({ volumes }: Pick<Services, 'volumes'>, mount: Mount): z.infer<typeof mountBody> {
  // Another process may have the volume.
  const source = volumes.get(mount.volume)?.mountSource(mount.folderId);
  return {
    folder: toHexId(mount.folderId),
    name: mount.name,
    alias: mount.alias,
    host: mount.volume,
    source: source?.path ?? null,
    subpath: source?.subpath ?? null,
    target: mountTarget(mount.alias),
    read_only: mount.isReadOnly,
    state: mount.isRevoked ? 'revoked' : 'active',
  };
}

/** A session as its user sees it; `source` is where this API has the volume. */
export function presentMountSession(
  services: Pick<Services, 'volumes'>,
  session: MountSession,
): z.infer<typeof mountSessionBody> {
  return {
    id: session.id,
    session: session.session,
    created_at: session.createdAt.toISOString(),
    expires_at: session.expiresAt.toISOString(),
    lease_seconds: session.leaseSeconds,
    mounts: session.mounts.map((mount) => presentMount(services, mount)),
  };
}

/** A session as administrators see it. */
export function presentOwnedSession(
  services: Pick<Services, 'volumes'>,
  session: MountSession,
): z.infer<typeof ownedSession> {
  return { ...presentMountSession(services, session), user: session.userId, user_email: session.email };
}
