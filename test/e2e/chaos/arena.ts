import { setImmediate } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { expect } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { listAt, numberAt, textAt, textsAt } from '../support/json.ts';
import { setFolderLimits } from '../support/limits.ts';
import { type QueueBackend, type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestUser } from '../support/users.ts';
import { auditAccounts, auditTree, readTree } from './audit.ts';
import type { Tally } from './call.ts';
import { makeDice } from './dice.ts';
import { contentOf, makeExpectation } from './expectation.ts';
import { actOnFolders, type FolderLoad } from './folder-load.ts';
import { strike } from './killer.ts';
import { actOnce, type Corner } from './load.ts';
import { untilRest } from './rest.ts';

/** A service under load, and everything that is known about what it has to hold. */
export interface Arena {
  readonly service: Service;
  readonly sql: Sql;
  readonly tally: Tally;
  readonly corners: readonly Corner[];
  /** Load and kills for a number of rounds, then none; resolves when every client has stopped. */
  fight(rounds: number): Promise<void>;
  /** Waits for rest, looks at everything, and takes what was left open as settled. @returns what is wrong, in words */
  audit(): Promise<string[]>;
  stop(): Promise<void>;
}

const usersTotal = 3;
const cornersPerUser = 2;
const jobsPageMax = 500;

async function makeCorners(service: Service, user: TestUser, shared: { seed: number; tally: Tally }) {
  const folder = await createFolder(user.client);
  await setFolderLimits(service, folder.id, { files: 100_000 });
  // Two clients share a folder, so that its counters are contended; their paths never meet.
  const expectation = makeExpectation();
  const archives: string[] = [];
  return Array.from({ length: cornersPerUser }, (_, index): Corner => {
    const prefix = `c${index}`;
    const dice = makeDice(shared.seed, `${user.email.split('-')[0]}/${prefix}`);
    return { client: user.client, folder, expectation, prefix, dice, tally: shared.tally, archives };
  });
}

/** Starts a service and six clients of three users in three folders, and two more whose folders come and go. */
export async function openArena(backend: QueueBackend, seed: number): Promise<Arena> {
  const service = await startService({ backend });
  const sql = openSql(service.databaseUrl);
  const tally: Tally = { counts: new Map(), findings: [] };
  const words = Array.from({ length: usersTotal }, (_, index) => `user${index}`);
  const users = await Promise.all(words.map((word) => createUser(service, word)));
  const corners = (
    await Promise.all(users.map((user) => makeCorners(service, user, { seed, tally })))
  ).flat();
  const folderLoads = await Promise.all(
    ['one', 'other'].map(async (word): Promise<FolderLoad> => {
      const { client } = await createUser(service, word);
      return { client, dice: makeDice(seed, word), tally, folders: [] };
    }),
  );
  const killerDice = makeDice(seed, 'killer');

  const fight = async (rounds: number) => {
    const over = new AbortController();
    const loop = async (act: () => Promise<void>) => {
      while (!over.signal.aborted) {
        await act();
        // An action that finds nothing to do waits for nothing; the others want their turn.
        await setImmediate();
      }
    };
    const loops = [
      ...corners.map((corner) => loop(() => actOnce(corner))),
      ...folderLoads.map((load) => loop(() => actOnFolders(load))),
    ];
    try {
      for (let round = 0; round < rounds; round += 1) await strike(service, killerDice, tally);
    } finally {
      over.abort();
      await Promise.all(loops);
    }
  };

  const audit = async () => {
    await untilRest(sql, service.administrator);
    const states = await readJobStates(sql);
    return [
      ...tally.findings.splice(0),
      ...(await auditAccounts(sql, service.volumeRoot)),
      ...(await auditCorners(service, corners, states)),
      ...(await Promise.all(folderLoads.map((load) => auditFolders(service, load, states)))).flat(),
      ...(await Promise.all(users.map(auditOpenJobs))).flat(),
      ...(await auditArchives(corners, states)),
    ];
  };
  return {
    service,
    sql,
    tally,
    corners,
    fight,
    audit,
    stop: async () => {
      await sql.end({ timeout: 5 });
      await service.stop();
    },
  };
}

async function readJobStates(sql: Sql): Promise<Map<string, string>> {
  const rows = await sql<{ id: string; state: string }[]>`SELECT id, state FROM jobs`;
  return new Map(rows.map(({ id, state }) => [id, state]));
}

async function auditCorners(
  service: Service,
  corners: readonly Corner[],
  states: ReadonlyMap<string, string>,
): Promise<string[]> {
  const folders = new Map(corners.map(({ folder, expectation }) => [folder.id, expectation]));
  const findings: string[] = [];
  for (const [id, expectation] of folders) {
    const tree = await readTree(service.volumeRoot, id);
    findings.push(...auditTree(tree, expectation, states));
    expectation.resolve(tree.files);
  }
  return findings;
}

/** What the owner of passing folders sees, and what is in those that have to be there. */
async function auditFolders(
  service: Service,
  load: FolderLoad,
  states: ReadonlyMap<string, string>,
): Promise<string[]> {
  const answer = await load.client.call('GET', '/folders');
  const seen = new Set(textsAt(answer.json, 'name', 'items'));
  const findings: string[] = [];
  for (const folder of load.folders) {
    if (folder.state === 'there' && !seen.has(folder.name))
      findings.push(`The folder ${folder.name} is lost`);
    if (folder.state === 'gone' && seen.has(folder.name)) findings.push(`The folder ${folder.name} is back`);
    if (folder.state !== 'there' || folder.id === undefined) continue;
    const tree = await readTree(service.volumeRoot, folder.id);
    findings.push(...auditTree(tree, folder.expectation, states));
    folder.expectation.resolve(tree.files);
  }
  const known = load.folders.filter(({ state }) => state !== 'gone').map(({ name }) => name);
  return [
    ...findings,
    ...[...seen].filter((name) => !known.includes(name)).map((name) => `Who made ${name}?`),
  ];
}

/** Users see the end of all their jobs. */
async function auditOpenJobs({ client, email }: TestUser): Promise<string[]> {
  const pages = await Promise.all(
    ['queued', 'running'].map((state) =>
      client.call('GET', '/jobs', { query: { state, limit: jobsPageMax } }),
    ),
  );
  return pages.flatMap(({ json }) =>
    listAt(json, 'items').map((job) => `${email} still sees a job: ${JSON.stringify(job)}`),
  );
}

/** An archive whose job succeeded can be downloaded as its job describes it. */
async function auditArchives(
  corners: readonly Corner[],
  states: ReadonlyMap<string, string>,
): Promise<string[]> {
  const findings: string[] = [];
  for (const { client, archives } of corners) {
    for (const id of archives.splice(0)) {
      if (states.get(id) !== 'succeeded') continue;
      const job = await client.call('GET', `/jobs/${id}`);
      const archive = await client.call('GET', `/archives/${id}`);
      const { sha256, size } = contentOf(archive.bytes);
      const isRight =
        textAt(job.json, 'result', 'sha256') === sha256 && numberAt(job.json, 'result', 'size') === size;
      if (archive.status !== 200 || !isRight)
        findings.push(`The archive ${id} is ${archive.status}, ${size} bytes`);
    }
  }
  return findings;
}

/** Fails, showing everything, unless nothing is wrong. */
export function expectNothingWrong(findings: readonly string[], arena: Arena): void {
  expect(findings, `The service said:\n${arena.service.supervisor.output().slice(-8_000)}`).toEqual([]);
}
