import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '../db/client.ts';
import { assertMigrated } from '../db/migrate.ts';
import { hasActiveAdmin } from '../db/queries/bootstrap.ts';
import { countRecentFailures, oldestWaitingSeconds, readDatabaseFacts } from '../db/queries/facts.ts';
import { findSetting } from '../db/queries/settings.ts';
import { listWorkers, type WorkerRecord } from '../db/queries/workers.ts';
import { operatorCodes } from '../jobs/failures.ts';
import { readRedisFacts } from '../jobs/redis-facts.ts';
import type { Config } from '../runtime/config.ts';
import { fingerprintOf } from '../runtime/encryption-key.ts';
import { bad, type Check, type Finding, ok, skipped } from './finding.ts';
import { judgeMemoryPolicy, judgeSkew, judgeWaiting } from './thresholds.ts';

/** Workers beat every few seconds; this is long enough for one that is busy. */
const silentMsMax = 30_000;
/** A worker that left took its row with it; one that is silent for less than this died or hangs. */
const goneMsMax = 24 * 3_600_000;
const versionMin = 140_000;
const connectionShareMax = 0.9;

async function serverVersion(db: Database): Promise<Finding> {
  const { version, versionNumber, encoding } = await readDatabaseFacts(db);
  if (versionNumber < versionMin) return bad(`Postgres ${version}`, 'Upgrade to Postgres 14 or later.');
  return encoding === 'UTF8'
    ? ok(`Postgres ${version}, ${encoding}`)
    : bad(`encoding ${encoding}`, 'Make the database anew with encoding UTF8.');
}

async function connections(db: Database): Promise<Finding> {
  const { connections: used, connectionsMax } = await readDatabaseFacts(db);
  const detail = `${used} of ${connectionsMax}`;
  if (used < connectionsMax * connectionShareMax) return ok(detail);
  return bad(detail, 'Raise max_connections, or run fewer API processes and workers.');
}

async function durability(db: Database): Promise<Finding> {
  const { isDurable } = await readDatabaseFacts(db);
  return isDurable
    ? ok('fsync is on')
    : bad('fsync is off', 'Set fsync = on: what was acknowledged can be lost.');
}

async function clock(db: Database): Promise<Finding> {
  const before = Date.now();
  const { nowMs } = await readDatabaseFacts(db);
  const after = Date.now();
  return judgeSkew(nowMs - (before + after) / 2, after - before);
}

async function encryptionKey(db: Database, config: Config): Promise<Finding> {
  const text = await readFile(join(config.dataDir, 'encryption.key'), 'utf8').catch(() => undefined);
  const key = config.encryptionKey ?? (text === undefined ? undefined : Buffer.from(text.trim(), 'hex'));
  if (key === undefined) return bad('no key', 'Set VFOLDER_ENCRYPTION_KEY, or bring back encryption.key.');
  const stored = await findSetting(db, 'encryption_key_fingerprint');
  if (stored === null) return bad('the database was never prepared', 'Run "npm run migrate".');
  return stored === fingerprintOf(key)
    ? ok('it is the one that secrets were sealed with')
    : bad(
        'it is another one than secrets were sealed with',
        'Bring back the key this database was prepared with.',
      );
}

function silenceOf(worker: WorkerRecord | undefined): string {
  if (worker === undefined) return '';
  const seconds = Math.round(worker.silentMs / 1_000);
  return `; pid ${worker.pid} on ${worker.host} fell silent ${seconds} s ago without leaving`;
}

async function workersUp(db: Database, config: Config): Promise<Finding> {
  const known = await listWorkers(db, goneMsMax);
  const beating = known.filter(({ silentMs }) => silentMs <= silentMsMax);
  const silence = silenceOf(known.filter(({ silentMs }) => silentMs > silentMsMax).at(-1));
  if (beating.length === 0) {
    const mend =
      silence === ''
        ? 'Start one: "npm run start:worker".'
        : 'See in its log why it hangs or died, end it if it hangs, and start another: "npm run start:worker".';
    return bad(`no worker gives a sign${silence}`, mend);
  }
  const unserved = [...config.volumes.keys()].filter(
    (volume) => !beating.some((worker) => worker.takesJobs && worker.volumes.includes(volume)),
  );
  if (unserved.length === 0) return ok(`${beating.length} worker(s)${silence}`);
  return bad(
    `no worker takes jobs of ${unserved.join(', ')}${silence}`,
    'Start a worker with that volume, or end the draining of one.',
  );
}

/** What concerns the database and the work in it. */
export function databaseChecks(db: Database, config: Config): Check[] {
  const mend = 'Start the database, or mend DATABASE_URL.';
  return [
    { name: 'database', run: () => serverVersion(db), mend },
    {
      name: 'database: tables',
      run: async () => {
        await assertMigrated(db);
        return ok('every migration is applied');
      },
      mend: 'Run "npm run migrate".',
    },
    { name: 'database: connections', run: () => connections(db), mend },
    { name: 'database: durability', run: () => durability(db), mend },
    { name: 'database: clock', run: () => clock(db), mend },
    { name: 'encryption key', run: () => encryptionKey(db, config), mend: 'Run "npm run migrate".' },
    {
      name: 'administrator',
      run: async () =>
        (await hasActiveAdmin(db))
          ? ok('there is one')
          : bad('there is none', 'Run "npm run migrate", which makes one.'),
      mend: 'Run "npm run migrate".',
    },
    {
      name: 'workers',
      run: () => workersUp(db, config),
      mend: 'Run "npm run migrate", then start a worker.',
    },
    {
      name: 'queues: waiting',
      run: async () => judgeWaiting(await oldestWaitingSeconds(db)),
      mend: 'Run "npm run migrate".',
    },
    {
      name: 'queues: failures',
      run: async () => {
        const failed = await countRecentFailures(db, operatorCodes);
        return failed === 0
          ? ok('none in the last day')
          : bad(
              `${failed} jobs failed in the last day, refusals apart`,
              'See why: "vfolder jobs ls --all --state failed"; retry them with "vfolder jobs retry ID".',
            );
      },
      mend: 'Run "npm run migrate".',
    },
  ];
}

/** What concerns the store of the queues, when that is Redis. */
export function redisChecks(redisUrl: string | undefined): Check[] {
  const mend = 'Start Redis, or mend REDIS_URL; until then jobs start late.';
  const ask = (
    name: string,
    judge: (facts: Awaited<ReturnType<typeof readRedisFacts>>) => Finding,
  ): Check => ({
    name,
    run: async () =>
      redisUrl === undefined ? skipped('queues are in Postgres') : judge(await readRedisFacts(redisUrl)),
    mend,
  });
  return [
    ask('Redis', ({ version }) =>
      Number(version.split('.')[0]) >= 6 ? ok(version) : bad(version, 'Upgrade to Redis 6.2 or Valkey.'),
    ),
    ask('Redis: memory', ({ memoryPolicy }) => judgeMemoryPolicy(memoryPolicy)),
    ask('Redis: durability', ({ isAppendOnly }) =>
      isAppendOnly === false
        ? bad(
            'append-only file is off',
            'Run it with --appendonly yes; a restart otherwise delays what waits.',
          )
        : ok('append-only file is on'),
    ),
  ];
}
