import { z } from 'zod';
import { jobKinds, jobStates } from '../../domain/job.ts';
import { queryBoolean, queryInteger } from '../http/schema.ts';
import { count, instant, uuid } from '../http/wire.ts';

/** Most jobs of one page. */
export const jobsPerPageMax = 500;

/** `GET /jobs`: newest first; `cursor` is the id of the last job of the page before; `all` is for administrators. */
export const jobListInput = z.object({
  state: z.enum(jobStates).optional(),
  cursor: z.string().optional(),
  limit: queryInteger({ min: 1, max: jobsPerPageMax }).default(100),
  all: queryBoolean.default(false),
});

/** A job as the wire shows it. `error` is set for failed jobs only. */
export const jobBody = z
  .object({
    id: uuid,
    kind: z.enum(jobKinds),
    state: z.enum(jobStates),
    progress: z
      .object({
        entries: count,
        bytes: count,
        of: z.object({ entries: count, bytes: count }).nullable(),
      })
      .nullable(),
    result: z.unknown(),
    error: z.object({ code: z.string(), detail: z.string().nullable() }).nullable(),
    attempt: count,
    created_at: instant,
    started_at: instant.nullable(),
    finished_at: instant.nullable(),
  })
  .meta({ id: 'Job' });

/** Reply of `GET /jobs`. */
export const jobPageBody = z.object({ items: z.array(jobBody), next_cursor: uuid.nullable() });
