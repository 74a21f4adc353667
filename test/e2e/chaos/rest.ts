import type { Sql } from 'postgres';
import { eventually } from '../../support/eventually.ts';
import type { Client } from '../support/http-client.ts';

/** Longer than a lease of a lost run (15 s) and the repetitions that may follow. */
const restMsMax = 90_000;

/**
 * Lets the time pass that nobody wants to wait for, on the database: what dead API processes hold (upload sessions for
 * a minute, deletes for a minute) runs out at once, and the job of this minute that looks for it is due again. The
 * leases of dead workers run out by themselves.
 */
async function skipHolds(sql: Sql): Promise<void> {
  await sql`UPDATE uploads SET lease_until = now() WHERE state IN ('receiving', 'aborting')`;
  await sql`
    UPDATE jobs SET next_dispatch_at = now()
    WHERE state = 'queued' AND next_dispatch_at > now() + interval '30 seconds'`;
  await sql`DELETE FROM jobs WHERE kind = 'uploads.expire' AND state = 'succeeded'`;
}

async function describeUnrest(sql: Sql): Promise<string[]> {
  const jobs = await sql<
    { kind: string; state: string; id: string; attempt: number; error: string | null }[]
  >`
    SELECT kind, state, id, attempt, error_detail AS error FROM jobs WHERE state IN ('queued', 'running')`;
  const uploads = await sql<{ id: string; state: string }[]>`
    SELECT id, state FROM uploads WHERE state IN ('receiving', 'staged', 'aborting')`;
  return [
    ...jobs.map((job) => `${job.kind} ${job.id} is ${job.state} after ${job.attempt} failures: ${job.error}`),
    ...uploads.map((upload) => `the upload ${upload.id} is ${upload.state}`),
  ];
}

/**
 * Waits until the API answers again and nothing is going on any more: no open job, no open upload. Throws with what
 * does not end.
 */
export async function untilRest(sql: Sql, client: Client): Promise<void> {
  await skipHolds(sql);
  await eventually(
    async () => {
      const ready = await client.call('GET', '/readyz');
      if (ready.status !== 200) throw new Error(`The API is not ready: ${ready.text}`);
      const unrest = await describeUnrest(sql);
      if (unrest.length > 0) throw new Error(`The service does not come to rest: ${unrest.join('; ')}`);
    },
    { timeoutMs: restMsMax, everyMs: 200 },
  );
}
