import { z } from 'zod';
import { jobStates } from '../../domain/job.ts';
import { queryBoolean, queryInteger } from '../http/schema.ts';

/** Most jobs of one page. */
export const jobsPerPageMax = 500;

/** `GET /jobs`: newest first; `cursor` is the id of the last job of the page before; `all` is for administrators. */
export const jobListInput = z.object({
  state: z.enum(jobStates).optional(),
  cursor: z.string().optional(),
  limit: queryInteger({ min: 1, max: jobsPerPageMax }).default(100),
  all: queryBoolean.default(false),
});
