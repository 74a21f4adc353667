import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';

/** The id of the folder that a list is asked for; `undefined` stays. @throws request_malformed */
export function readFolderFilter(folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  const id = parseId(folder);
  if (id !== undefined) return id;
  const detail = 'This is not the id of a folder.';
  throw domainError('request_malformed', detail, { errors: [{ pointer: '/folder', detail }] });
}
