import { setTimeout } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { openDatabase } from '../../db/client.ts';
import { openConsumer } from '../../jobs/consumer.ts';
import { openJobClient } from '../../jobs/open-job-client.ts';
import { handlersWith, makeLogBook } from './job-stage.ts';

/** Long enough that others find work left when they come up. */
const workMs = 100;

/** A worker process with the timings of the service, whose jobs each leave a row in the transaction that ends them. */
const [databaseUrl = '', redisUrl] = process.argv.slice(2);
const database = openDatabase({ url: databaseUrl, connectionsMax: 10, applicationName: 'vfolder-scaling' });
const shared = { db: database.db, databaseUrl, redisUrl, logger: makeLogBook() };
const client = await openJobClient({ ...shared, volumes: [] });
const consumer = await openConsumer({
  ...shared,
  client,
  volumes: ['local'],
  queues: ['quota'],
  concurrency: { quota: 8 },
  handlers: handlersWith({
    'usage.measure': {
      run: async ({ job }) => {
        await setTimeout(workMs);
        return {
          result: null,
          settle: async (tx) => {
            await tx.execute(sql`INSERT INTO settled_effects VALUES (${job.id}, ${process.pid})`);
          },
        };
      },
    },
  }),
});
process.on('SIGTERM', async () => {
  await consumer.close(10_000);
  await client.close();
  await database.close(5);
  process.exit(0);
});
process.send?.({ type: 'ready' });
// Nobody may be left behind when the test dies.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
