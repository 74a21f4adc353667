import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';

/** The id that a cursor stands for; `undefined` stays. @throws request_malformed */
export function readIdCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = parseId(cursor);
  if (id === undefined) throw domainError('request_malformed', 'The cursor is not one of this list.');
  return id;
}
