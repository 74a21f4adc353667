import type { ArchiveFormat } from '../../storage/archive/entry-fields.ts';

/** The media type of each container. */
export const contentTypes: Readonly<Record<ArchiveFormat, string>> = {
  zip: 'application/zip',
  tar: 'application/x-tar',
  'tar.gz': 'application/gzip',
};
