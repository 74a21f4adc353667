import { setTimeout as delay } from 'node:timers/promises';
import { openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import type { Service } from '../support/service.ts';
import { count, type Tally } from './call.ts';
import type { Dice } from './dice.ts';

/** Forgets everything the queues hold, as a Redis that lost its memory does. */
async function wipeQueues(service: Service): Promise<void> {
  if (service.redis !== undefined) {
    await service.redis.command('FLUSHALL');
    return;
  }
  const sql = openSql(service.databaseUrl);
  try {
    await sql.unsafe('TRUNCATE bullmq.job CASCADE');
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Ends some of the service's connections to the database in the middle of what they do, as a failover does. */
async function cutConnections(service: Service): Promise<void> {
  const sql = openSql(service.databaseUrl);
  try {
    await sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function killAll(pids: readonly number[]): number {
  let killed = 0;
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
      killed += 1;
    } catch {
      // It died of the shot before and is not yet counted out.
    }
  }
  return killed;
}

/** Kills one worker, both, or the API, as soon as there is one, whatever it does at the moment. */
async function killOnce(service: Service, dice: Dice, tally: Tally): Promise<void> {
  const roll = dice.below(10);
  const victim = roll < 4 ? 'a worker' : roll < 6 ? 'both workers' : 'the API';
  const first = dice.below(2);
  await eventually(() => {
    const { api, workers } = service.pids();
    const targets =
      victim === 'the API' ? api : victim === 'a worker' ? workers.slice(first, first + 1) : workers;
    const wanted = victim === 'both workers' ? 2 : 1;
    if (targets.length < wanted) throw new Error(`There is no ${victim} to kill.`);
    if (killAll(targets) < wanted) throw new Error(`${victim} died already.`);
  });
  count(tally, `kills of ${victim}`);
  count(tally, 'kills');
}

/**
 * A random while of peace, in which some requests are answered, so that a slow machine gets work done, too; now and then
 * none at all, to hit processes that are just starting.
 */
async function peace(dice: Dice, tally: Tally): Promise<void> {
  await delay(dice.between(300, 1_500));
  if (dice.happens(0.15)) return;
  const answers = () => tally.counts.get('answers') ?? 0;
  const wanted = answers() + dice.between(10, 40);
  await eventually(
    () => {
      if (answers() < wanted) throw new Error(`Only ${answers()} of ${wanted} requests are answered.`);
    },
    { timeoutMs: 60_000 },
  );
}

/**
 * One round of bad luck: peace, a kill, and now and then the queues' memory gone, before or after, or connections to the
 * database cut while the requests and jobs that the kill spared go on.
 */
export async function strike(service: Service, dice: Dice, tally: Tally): Promise<void> {
  await peace(dice, tally);
  const wipes = dice.happens(0.25);
  const isBefore = dice.happens(0.5);
  if (wipes && isBefore) await wipeQueues(service);
  await killOnce(service, dice, tally);
  if (wipes && !isBefore) await wipeQueues(service);
  if (wipes) count(tally, 'wiped queues');
  if (!dice.happens(0.3)) return;
  await peace(dice, tally);
  await cutConnections(service);
  count(tally, 'cut connections');
}
