import { z } from 'zod';
import { count, instant, uuid } from '../http/wire.ts';

/** A worker process. */
export const workerBody = z
  .object({
    id: uuid,
    host: z.string(),
    pid: count,
    version: z.string(),
    state: z.enum(['active', 'draining', 'drained', 'silent']),
    queues: z.array(z.string()),
    volumes: z.array(z.string()),
    concurrency: z.record(z.string(), count),
    jobs: z.array(uuid),
    started_at: instant,
    last_beat_at: instant,
  })
  .meta({ id: 'Worker' });

/** Reply of `GET /admin/workers`. */
export const workerListBody = z.object({ items: z.array(workerBody) });
