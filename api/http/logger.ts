/**
 * Where the API tells what happened; the main hands in its structured logger. `event` is a `noun.verb`; `fields` are
 * ids, numbers and words of ours, never names of users' entries, queries or secrets; an `err` field holds the
 * whole error for the operator.
 */
export interface Logger {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
  error(fields: Readonly<Record<string, unknown>>, event: string): void;
}
