import { z } from 'zod';
import { filesMax } from '../downloads/schemas.ts';
import { namedPath, queryBoolean, queryInteger, stringList } from '../http/schema.ts';

/** `POST …/request-upload`: the path of the file, and how long it will be. */
export const uploadTokenInput = z.object({
  path: namedPath,
  size: queryInteger({ min: 0, max: Number.MAX_SAFE_INTEGER }),
});

/** `POST …/request-download`: a file, or with `archive` also a directory; `file` is what older clients call the path. */
export const downloadTokenInput = z
  .object({
    path: z.string().nullish(),
    file: z.string().nullish(),
    archive: queryBoolean.nullish(),
  })
  .refine(({ path, file }) => typeof (path ?? file) === 'string', { path: ['path'], message: 'is missing' })
  .transform(({ path, file, archive }) => ({ path: path ?? file ?? '', isArchive: archive ?? false }));

/** `POST …/request-download-archive`: what to pack, and the name to save it under. */
export const archiveTokenInput = z.object({
  files: stringList({ min: 1, max: filesMax }),
  filename: z.string().min(1).max(255).nullish(),
});

/** A token in the query; whatever else is there does not change what it is good for. */
export const tokenInput = z.object({ token: z.string() });

/** As {@link tokenInput}, for downloads: a directory is sent as an archive. */
export const downloadInput = tokenInput.extend({ archive: queryBoolean.nullish() });

/** Reply of what gives out a token for clients that know where to take it. */
export const tokenBody = z.object({ token: z.string() });

/** Reply of what gives out a token, with where to take it. */
export const tokenUrlBody = tokenBody.extend({ url: z.string().meta({ format: 'uri' }) });
