import { afterAll, beforeAll, expect, it } from 'vitest';
import { LeaseLostError } from '../../jobs/handler.ts';
import { toStorageError } from '../../storage/posix/errno.ts';
import { type NthFault, withNthFault } from '../storage/faulty-volume.ts';
import type { Backend } from '../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { deliver, runToEnd } from './run-now.ts';
import {
  comeToRest,
  initialFiles,
  readTree,
  resetFolder,
  type Scenario,
  scenarios,
  stateOf,
} from './scenarios.ts';
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

function failed(errno: number): Error {
  const error = toStorageError(Object.assign(new Error('Planned.'), { errno }));
  if (!(error instanceof Error)) throw new Error('A failed system call is an error.');
  return error;
}

const faults: Readonly<Record<string, Omit<NthFault, 'nth'>>> = {
  EIO: { error: failed(-5) },
  'ESTALE after the effect': { error: failed(-116), isAfterEffect: true },
  ENOSPC: { error: failed(-28) },
  'EDQUOT after the effect': { error: failed(-122), isAfterEffect: true },
  // A run that lost its lease leaves the row alone, as a dead one does.
  'the end of the process': { error: new LeaseLostError(), isFinal: true },
  'the end of the process after the effect': {
    error: new LeaseLostError(),
    isAfterEffect: true,
    isFinal: true,
  },
};

const callsMax = 200;

/** All of the content of before, or all of that of after: nothing partial, nothing lost, nothing half done. */
async function expectWhole(scenario: Scenario, state: string): Promise<void> {
  const after = scenario.after ?? initialFiles;
  expect(await readTree(stage)).toEqual(state === 'succeeded' ? after : initialFiles);
}

async function expectRightAccounts(): Promise<void> {
  const { bytes, files } = await stage.volume.measure(stage.folderId);
  expect(await stateOf(stage, database)).toMatchObject({
    staged: 0,
    trashed: 0,
    claims: 0,
    counters: { used: [bytes, files], reserved: [0, 0], trash: [0, 0] },
  });
}

async function expectBounds(): Promise<void> {
  const usage = await stage.usage();
  const counters = [usage.usedBytes, usage.reservedBytes, usage.usedFiles, usage.reservedFiles];
  expect(Math.min(...counters)).toBeGreaterThanOrEqual(0);
  expect(usage.usedBytes + usage.reservedBytes).toBeLessThanOrEqual(usage.quotaBytes);
}

/** @returns whether the fault struck */
async function strike(scenario: Scenario, fault: NthFault): Promise<boolean> {
  await resetFolder(stage, database);
  const jobId = await scenario.arrange(stage, database);
  const faulty = withNthFault(stage.volume, fault);
  await deliver({ database }, stage, { jobId, handlers: stage.handlers(faulty.volume) });
  await expectBounds();
  const ended = await stage.jobs.find(jobId);
  const isOver = ended.finishedAt !== null;
  const job = isOver ? ended : await runToEnd({ database }, stage, { jobId, handlers: stage.handlers() });
  await comeToRest(stage, database);
  await expectWhole(scenario, job.state);
  // A recount that was refused leaves the wrong accounts that it was to mend.
  if (scenario.kind !== 'usage.measure' || job.state === 'succeeded') await expectRightAccounts();
  return faulty.hasStruck();
}

it.each(scenarios.flatMap((scenario) => Object.keys(faults).map((name) => [scenario.name, name] as const)))(
  'leaves no trace of %s that meets %s at any call to the storage',
  async (scenarioName, faultName) => {
    const scenario = scenarios.find(({ name }) => name === scenarioName);
    const fault = faults[faultName];
    if (scenario === undefined || fault === undefined) throw new Error('The table names what there is.');
    let nth = 1;
    while (nth <= callsMax && (await strike(scenario, { ...fault, nth }))) nth += 1;
    // The sweep has to end by running out of calls, and has to have had some.
    expect(nth).toBeGreaterThan(1);
    expect(nth).toBeLessThan(callsMax);
  },
);
