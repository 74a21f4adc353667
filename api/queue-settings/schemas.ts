import { z } from 'zod';
import { queryBoolean, queryInteger } from '../http/schema.ts';

/** Highest limit that can be set. */
const concurrencyMax = 10_000;

/** `PATCH /admin/queue-settings/:queue`: what is left out stays; `concurrency: null` lifts the limit. */
export const queueSettingsInput = z
  .object({
    is_paused: queryBoolean.optional(),
    concurrency: queryInteger({ min: 1, max: concurrencyMax }).nullable().optional(),
  })
  .refine(
    ({ is_paused, concurrency }) => is_paused !== undefined || concurrency !== undefined,
    'Give is_paused, concurrency or both.',
  );
