import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { openDatabase } from '../../db/client.ts';
import { openConsumer } from '../../jobs/consumer.ts';
import { openJobClient } from '../../jobs/open-job-client.ts';
import { chaosTimings, handlersWith, makeLogBook } from './job-stage.ts';

/**
 * A worker process of the chaos test, to be killed at any moment. Every run leaves a naive effect (a row written on
 * the way) and a settled one (a row in the transaction that ends the job).
 */
const [databaseUrl = '', redisUrl] = process.argv.slice(2);
const { db } = openDatabase({ url: databaseUrl, connectionsMax: 10, applicationName: 'vfolder-chaos' });
const shared = { db, databaseUrl, redisUrl, logger: makeLogBook() };
const client = await openJobClient({ ...shared, volumes: [], timings: chaosTimings });
await openConsumer({
  ...shared,
  client,
  volumes: ['local'],
  concurrency: { quota: 8 },
  handlers: handlersWith({
    'usage.measure': {
      run: async ({ job }) => {
        await db.execute(sql`INSERT INTO naive_effects VALUES (${job.id})`);
        await delay(Math.random() * 100);
        if (job.attempt === 0 && Math.random() < 0.05) throw new Error('A failure that passes.');
        return {
          result: null,
          settle: async (tx) => {
            await tx.execute(sql`INSERT INTO settled_effects VALUES (${job.id})`);
          },
        };
      },
    },
  }),
});
process.send?.({ type: 'ready' });
// Nobody may be left behind when the test dies.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
