import { z } from 'zod';
import { existingChoices } from '../../domain/write-condition.ts';
import { queryBoolean } from '../http/schema.ts';
import { count } from '../http/wire.ts';

/** Query of `PUT /folders/:name/files/*path`. */
export const putContentInput = z.object({ if_exists: z.enum(existingChoices).default('replace') });

/** Input of `DELETE /folders/:name/files/*path`. */
export const deleteContentInput = z.object({ recursive: queryBoolean.default(false) });

/** What `upload.commit` reports of a conditional write. */
export const writeResult = z.object({
  etag: z.string().nullish(),
  replaced: z.boolean().default(false),
  files: z.array(z.object({ path: z.string(), size: z.number(), sha256: z.string() })),
  failed: z.array(z.object({ path: z.string(), code: z.string() })),
});

/** Reply of `PUT /folders/:name/files/*path`: what the file holds now. */
export const writtenBody = z.object({
  path: z.string(),
  size: count,
  sha256: z.string(),
  etag: z.string().nullable(),
});
