import { z } from 'zod';
import { limitsMax } from '../../domain/quota.ts';
import { queryInteger } from '../http/schema.ts';
import { count } from '../http/wire.ts';

/** As much as an installation can be set to. */
const requestsMax = 1_000_000_000;

const limits = {
  folders: queryInteger({ min: 0, max: limitsMax.folders }).optional(),
  folder_bytes: queryInteger({ min: 0, max: limitsMax.bytes }).optional(),
  folder_files: queryInteger({ min: 0, max: limitsMax.files }).optional(),
  requests: queryInteger({ min: 1, max: requestsMax }).nullable().optional(),
  volumes: z.array(z.string().min(1).max(64)).min(1).max(100).nullable().optional(),
};

/** The name of a policy: a plain word. */
export const policyName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'A policy is named by 1 to 64 letters, digits, dots, dashes and underscores.',
});

/** `POST /admin/policies`: limits that are left out are the usual ones. */
export const newPolicyInput = z.object({ name: policyName, ...limits });

/** `PATCH /admin/policies/:policy`: limits that are left out stay. */
export const policyChangeInput = z
  .object(limits)
  .refine((change) => Object.values(change).some((limit) => limit !== undefined), 'Give at least one limit.');

/**
 * A policy: folders a user may own, bytes and files of each new folder, requests of a keypair or token in any 900 s (`null`: as
 * the service is set), volumes where folders may be made (`null`: all), and how many users have it.
 */
export const policyBody = z
  .object({
    name: z.string(),
    folders: count,
    folder_bytes: count,
    folder_files: count,
    requests: count.nullable(),
    volumes: z.array(z.string()).nullable(),
    users: count,
  })
  .meta({ id: 'Policy' });

/** Reply of `GET /admin/policies`. */
export const policyListBody = z.object({ items: z.array(policyBody) });
