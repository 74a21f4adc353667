import { sql } from 'drizzle-orm';
import type { JobKind } from '../../domain/job.ts';
import type { Executor } from '../client.ts';

/** Work the service gives itself on one volume, once in every span of `everyMs`. */
export interface JobSchedule {
  readonly kind: JobKind;
  readonly volume: string;
  readonly everyMs: number;
  readonly attemptsMax: number;
}

/** Names the work that the service gives itself on a volume: one job of it is unfinished at a time. */
export function scheduleKey(kind: JobKind, volume: string): string {
  return `${kind}:${volume}`;
}

/**
 * Inserts the job of the current span for every schedule that has none yet and whose last job is finished. Spans are
 * counted from 1970 on the database clock and the id follows from kind, volume and span, so that any number of
 * processes may call this at any time and a span gets one job at most. The ids are version 7 with the span's start
 * as their time, so they sort among the others.
 * @returns ids of what was inserted
 */
export async function insertScheduledJobs(
  db: Executor,
  schedules: readonly JobSchedule[],
  dispatchInMs: number,
): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    WITH span AS (
      SELECT s.*, floor(extract(epoch FROM now()) * 1000 / s.every_ms)::bigint * s.every_ms AS start_ms
      FROM jsonb_to_recordset(${JSON.stringify(
        schedules.map((schedule) => ({
          kind: schedule.kind,
          volume: schedule.volume,
          every_ms: schedule.everyMs,
          attempts_max: schedule.attemptsMax,
          key: scheduleKey(schedule.kind, schedule.volume),
        })),
      )}::text::jsonb) AS s(kind text, volume text, every_ms bigint, attempts_max int, key text)
    ), named AS (
      SELECT span.*, md5(key || ':' || start_ms) AS hash FROM span
    )
    INSERT INTO jobs (id, kind, volume, payload, attempts_max, dedupe_key, next_dispatch_at)
    SELECT (lpad(to_hex(start_ms), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
      kind, volume, '{}', attempts_max, key,
      now() + ${dispatchInMs}::double precision * interval '1 millisecond'
    FROM named
    ON CONFLICT DO NOTHING
    RETURNING id`);
  return rows.map((row) => row.id);
}
