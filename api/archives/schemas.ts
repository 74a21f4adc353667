import { z } from 'zod';
import { archiveFormats } from '../../storage/archive/entry-fields.ts';
import { filesMax } from '../downloads/schemas.ts';
import { stringList } from '../http/schema.ts';
import { uuid } from '../http/wire.ts';

/** Characters of a file name that a caller may give an archive. */
const nameCharactersMax = 200;

/** `POST /folders/:name/archives`: what to archive, in which container, and the file name to save it under. */
export const archiveInput = z.object({
  files: stringList({ min: 1, max: filesMax }),
  format: z.enum(archiveFormats).default('zip'),
  name: z
    .string()
    .min(1)
    .max(nameCharactersMax)
    .refine((name) => !/[\p{Cc}/\\]/u.test(name), 'A file name has no "/", "\\" or control character.')
    .optional(),
});

/** `/archives/:id` takes nothing but its path. */
export const archiveContentInput = z.object({});

/** Reply of `POST /folders/:name/archives` while the archive is built. */
export const archiveBody = z.object({ id: uuid, job: z.string() });

/** Reply of `POST /folders/:name/archives` when it was built in time. */
export const builtArchiveBody = archiveBody.extend({ result: z.unknown() });
