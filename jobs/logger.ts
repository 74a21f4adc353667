/**
 * Where background work tells what happened; the mains hand in their structured logger. `event` is a `noun.verb`,
 * `fields` are ids and numbers, and an `err` field holds the whole error for the operator.
 */
export interface JobLogger {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
  error(fields: Readonly<Record<string, unknown>>, event: string): void;
}
