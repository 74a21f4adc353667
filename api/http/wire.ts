import { z } from 'zod';
import { permissions } from '../../domain/permission.ts';

/** An instant in ISO 8601, UTC. */
export const instant = z.string().meta({ format: 'date-time' });

/** A dashed id. */
export const uuid = z.string().meta({ format: 'uuid' });

/** An id of 32 hex digits, as folders have it. */
export const hexId = z.string().meta({ pattern: '^[0-9a-f]{32}$' });

/** Bytes, files or anything else that is counted. */
export const count = z.int().min(0);

/** What a member may do. */
export const permission = z.enum(permissions);

/** A sentence for people. */
export const messageBody = z.object({ msg: z.string() }).meta({ id: 'Message' });

/** The job that an answer did not wait for. */
export const acceptedBody = z.object({ id: uuid }).meta({ id: 'Accepted' });

/** What a copy left out, such as links: the first of them, and how many there are. */
export const copyCounts = {
  bytes: count,
  files: count,
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
  skipped_count: count,
};
