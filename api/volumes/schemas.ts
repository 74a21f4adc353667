import { z } from 'zod';
import { volumeStates } from '../../domain/volume-state.ts';
import { count, instant, uuid } from '../http/wire.ts';

/** `PATCH /admin/volumes/:volume`. */
export const volumeChangeInput = z.object({ state: z.enum(volumeStates) });

const room = z.object({ total: count, used: count, free: count });

/**
 * A volume. `bytes` and `inodes` are those of its file system, `null` while it does not answer or does not count them;
 * `probe` is how it answers the API process that was asked.
 */
export const volumeBody = z
  .object({
    name: z.string(),
    state: z.enum(volumeStates),
    changed_at: instant.nullable(),
    bytes: room.nullable(),
    inodes: room.nullable(),
    folders: count,
    running_writers: count,
    workers: z.array(uuid),
    probe: z.object({
      latency_ms: z.number().nullable(),
      last_ok_at: instant.nullable(),
      last_error_at: instant.nullable(),
      last_error: z.string().nullable(),
    }),
  })
  .meta({ id: 'Volume' });

/** Reply of `GET /admin/volumes`. */
export const volumeListBody = z.object({ items: z.array(volumeBody) });
