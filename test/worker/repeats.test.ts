import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { folders } from '../../db/schema/folders.ts';
import { withCalls } from '../storage/faulty-volume.ts';
import type { Backend } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { deliver, endLease, runToEnd } from './run-now.ts';
import { comeToRest, readTree, resetFolder, type Scenario, scenarios, stateOf } from './scenarios.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

let database: TestDatabase;
let stage: WorkStage;
beforeAll(async () => {
  database = await createTestDatabase();
  const backend: Backend = { name: 'postgres', database, redisUrl: undefined, redis: noRedis };
  stage = await makeWorkStage(backend);
});
afterAll(async () => {
  await stage.close();
  await database.close();
});

function noRedis(): never {
  throw new Error('The queues live in the database.');
}

const callsMax = 200;
const once = (jobId: string, handlers = stage.handlers()) =>
  deliver({ database }, stage, { jobId, handlers });
const toEnd = (jobId: string) => runToEnd({ database }, stage, { jobId, handlers: stage.handlers() });

async function arrange(scenario: Scenario): Promise<string> {
  await resetFolder(stage, database);
  return await scenario.arrange(stage, database);
}

/** What running the work once comes to. */
async function expectedState(scenario: Scenario) {
  expect(await toEnd(await arrange(scenario))).toMatchObject({ state: 'succeeded' });
  return await stateOf(stage, database);
}

it.each(scenarios)(
  'comes to the same by $name once, again after success, and by three at once',
  async (scenario) => {
    const expected = await expectedState(scenario);
    const jobId = await arrange(scenario);
    await Promise.all([once(jobId), once(jobId), once(jobId)]);
    const ended = await toEnd(jobId);
    expect(await stateOf(stage, database)).toEqual(expected);
    await once(jobId);
    await once(jobId);
    expect(await stateOf(stage, database)).toEqual(expected);
    expect(await stage.jobs.find(jobId)).toEqual(ended);
  },
);

/** Stops a run before its nth call to the storage, until another one has done the work. @returns whether it got there */
async function overtake(scenario: Scenario, nth: number): Promise<boolean> {
  const jobId = await arrange(scenario);
  let overtaken: Promise<unknown> | undefined;
  const slow = withCalls(stage.volume, (count) => {
    if (count < nth || overtaken !== undefined) return undefined;
    overtaken = endLease({ database }, jobId).then(() => toEnd(jobId));
    return overtaken.then(() => undefined);
  });
  await once(jobId, stage.handlers(slow));
  return overtaken !== undefined;
}

it.each(scenarios)(
  'comes to the same by $name when a run loses its lease at any call and goes on',
  async (scenario) => {
    const expected = await expectedState(scenario);
    let nth = 1;
    while (nth <= callsMax && (await overtake(scenario, nth))) {
      await comeToRest(stage, database);
      expect([nth, await stateOf(stage, database)]).toEqual([nth, expected]);
      nth += 1;
    }
    expect(nth).toBeGreaterThan(1);
    expect(nth).toBeLessThan(callsMax);
  },
);

it.each(scenarios)('ends $name without a trace when the folder is deleted before', async (scenario) => {
  const jobId = await arrange(scenario);
  const before = await readTree(stage);
  await database.db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, stage.folderId));
  expect((await toEnd(jobId)).finishedAt).not.toBeNull();
  for (const [path, content] of Object.entries(await readTree(stage))) expect(before[path]).toBe(content);
  expect(await stateOf(stage, database)).toMatchObject({ claims: 0, archives: 0 });
  const purge = await stage.client.enqueue(database.db, {
    kind: 'folder.purge',
    payload: {},
    volume: 'local',
    folderId: stage.folderId,
    actorId: null,
    holdMs: 3_600_000,
  });
  expect(await toEnd(purge)).toMatchObject({ state: 'succeeded' });
  await expect(stage.volume.listStages(stage.folderId)).rejects.toMatchObject({ code: 'entry_not_found' });
  await stage.volume.createFolder(stage.folderId);
});
