import { usageError } from './exit-codes.ts';
import { parseDuration } from './sizes.ts';

/** A moment in ISO 8601, or so long ago: `7d`. @returns ISO 8601 @throws a usage error that names the option */
export function parseMoment(text: string, option: string): string {
  const ago = /^\d+[smhdw]$/.test(text) ? parseDuration(text) * 1_000 : undefined;
  const moment = new Date(ago === undefined ? text : Date.now() - ago);
  if (!Number.isNaN(moment.getTime())) return moment.toISOString();
  throw usageError(`--${option} must be a time such as 2030-01-31T12:00Z, or how long ago: 7d.`);
}
