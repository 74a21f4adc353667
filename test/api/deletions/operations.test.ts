import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { deleteEntries } from '../../../api/deletions/operations.ts';
import { folders } from '../../../db/schema/folders.ts';
import { pathClaims } from '../../../db/schema/path-claims.ts';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import { domainError } from '../../../domain/errors.ts';
import { entityTag, type WriteCondition } from '../../../domain/write-condition.ts';
import type { Volume } from '../../../storage/volume.ts';
import { withFaults } from '../../storage/faulty-volume.ts';
import type { Backend } from '../../support/backends.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { runToEnd } from '../../worker/run-now.ts';
import { countersOf, makeWorkStage, type WorkStage } from '../../worker/work-stage.ts';

let database: TestDatabase;
let stage: WorkStage;
const paths = ['a', 'b', 'c'];
const nothing = { used: [0, 0], reserved: [0, 0], trash: [0, 0] };

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  const backend: Backend = { name: 'postgres', database, redisUrl: undefined, redis: noRedis };
  stage = await makeWorkStage(backend);
  for (const name of paths) await writeFile(join(stage.folderRoot, 'data', name), name);
  await database.db.update(folders).set({ usedBytes: 3, usedFiles: 3 });
});
afterEach(() => stage.close());

function noRedis(): never {
  throw new Error('The queues live in the database.');
}

function remove(volume: Volume, files: readonly string[] = paths, condition?: WriteCondition) {
  const services = { db: database.db, jobs: stage.client, volumes: new Map([['local', volume]]) };
  return deleteEntries(services, {
    userId: stage.ownerId,
    nameOrId: stage.folderId,
    files,
    recursive: false,
    condition,
  });
}

const finish = (jobId: string) => runToEnd({ database }, stage, { jobId, handlers: stage.handlers() });
const outcomes = (...list: readonly string[]) => paths.map((path, index) => ({ path, outcome: list[index] }));
const allDeleted = outcomes('deleted', 'deleted', 'deleted');

it('takes every path out of view and leaves freeing them to the job', async () => {
  const result = await remove(stage.volume);
  expect(result).toMatchObject({ entries: allDeleted, isHandedOver: false, isQuick: true });
  expect((await finish(result.jobId)).result).toEqual({ freed: { bytes: 3, files: 3 } });
  expect(await countersOf(stage)).toEqual(nothing);
});

it('looks again once nobody else can replace what it deletes', async () => {
  const { version = '' } = (await stage.volume.stat(stage.folderId, parseEntryPath('a', 'read'))) ?? {};
  let looks = 0;
  const volume: Volume = {
    ...stage.volume,
    stat: async (...args) => {
      const found = await stage.volume.stat(...args);
      looks += 1;
      // As if another change had ended between the look and the claim.
      if (looks === 1) await writeFile(join(stage.folderRoot, 'data', 'a'), 'replaced meanwhile');
      return found;
    },
  };
  const condition: WriteCondition = { ifExists: 'replace', ifMatch: entityTag(version) };
  await expect(remove(volume, ['a'], condition)).rejects.toMatchObject({ code: 'precondition_failed' });
  expect(looks).toBe(2);
  const [claim] = await database.db.select().from(pathClaims);
  await finish(claim?.jobId ?? '');
  expect(await readFile(join(stage.folderRoot, 'data', 'a'), 'utf8')).toBe('replaced meanwhile');
  expect(await database.db.select().from(pathClaims)).toEqual([]);
});

it.each([1, 2, 3].flatMap((nth) => [false, true].map((isAfterEffect) => [nth, isAfterEffect] as const)))(
  'leaves the rest of the request to the job when the storage fails at path %i (after the effect: %s)',
  async (nth, isAfterEffect) => {
    const error = domainError('volume_unavailable', 'Planned.');
    const { volume } = withFaults(stage.volume, [{ verb: 'trashEntry', nth, error, isAfterEffect }]);
    const result = await remove(volume);
    expect(result.isHandedOver).toBe(true);
    expect((await finish(result.jobId)).result).toMatchObject({ entries: allDeleted });
    expect(await countersOf(stage)).toEqual(nothing);
    expect(await database.db.select().from(pathClaims)).toEqual([]);
  },
);

it('tells the truth about paths that the job took out because the request was too slow', async () => {
  let calls = 0;
  const result = await remove({
    ...stage.volume,
    trashEntry: async (...args: Parameters<Volume['trashEntry']>) => {
      calls += 1;
      // As if the hold had ended while the storage hung.
      if (calls === 2) await finish(args[2]);
      return stage.volume.trashEntry(...args);
    },
  });
  expect(result).toMatchObject({
    entries: outcomes('deleted', 'not_found', 'not_found'),
    isHandedOver: true,
  });
  expect((await finish(result.jobId)).result).toMatchObject({ entries: allDeleted });
  expect(await countersOf(stage)).toEqual(nothing);
});

it('tells apart what had gone by itself and what the storage does not let go of', async () => {
  const result = await remove({
    ...stage.volume,
    trashEntry: async (...args: Parameters<Volume['trashEntry']>) => {
      if (args[3] === 0) await rm(join(stage.folderRoot, 'data', 'a'));
      if (args[3] === 1) throw domainError('entry_conflict', 'The entry is in use.');
      return stage.volume.trashEntry(...args);
    },
  });
  expect(result).toMatchObject({ entries: outcomes('not_found', 'kept', 'deleted'), isHandedOver: false });
  expect(await stage.read('b')).toBe('b');
});

it('deletes nothing when the trash cannot be made', async () => {
  const error = domainError('volume_full', 'Planned.');
  const { volume } = withFaults(stage.volume, [{ verb: 'createTrash', nth: 1, error }]);
  await expect(remove(volume)).rejects.toMatchObject({ code: 'volume_full' });
  expect(await Promise.all(paths.map((path) => stage.read(path)))).toEqual(paths);
  expect(await remove(stage.volume)).toMatchObject({ entries: allDeleted });
});
