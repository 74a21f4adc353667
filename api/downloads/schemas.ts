import { z } from 'zod';
import { archiveFormats } from '../../storage/archive/entry-fields.ts';
import { stringList } from '../http/schema.ts';

/** Paths that one request may name. */
export const filesMax = 1000;

/** `GET /folders/:name/download`: what to download and, unless the documented gzip stream is meant, in which container. */
export const downloadInput = z.object({
  files: stringList({ min: 1, max: filesMax }),
  format: z.enum(archiveFormats).optional(),
});

/** `GET /folders/:name/files/*path` takes nothing but its path. */
export const contentInput = z.object({});

/** What reading entries refuses with before the first byte. */
export const readRefusals = [
  'path_invalid',
  'entry_not_found',
  'entry_not_regular',
  'volume_unavailable',
] as const;
