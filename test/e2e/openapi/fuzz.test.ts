import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Dice, makeDice } from '../chaos/dice.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestUser } from '../support/users.ts';
import { type Judge, makeJudge } from './judge.ts';
import { makeRequest } from './make-request.ts';
import { type Description, type Operation, readDocument } from './read-document.ts';
import type { Known } from './values.ts';

const seed = Number(process.env.VFOLDER_TEST_FUZZ_SEED ?? randomInt(2 ** 31));
/** Each asks every operation once. */
const roundCount = Number(process.env.VFOLDER_TEST_FUZZ_ROUNDS ?? 5);
const roundMsMax = 12_000;
const answerMsMax = 30_000;
const folderName = 'fuzz';

let service: Service;
let description: Description;
let judge: Judge;
let owner: TestUser;
let stranger: TestUser;
let folderId: string;
beforeAll(async () => {
  process.stderr.write(`fuzz of the API document: VFOLDER_TEST_FUZZ_SEED=${seed}\n`);
  service = await startService({ backend: 'postgres', workers: 1 });
  description = await readDocument(service.administrator);
  judge = makeJudge(description);
  owner = await createUser(service, 'owner');
  stranger = await createUser(service, 'stranger');
  folderId = (await createFolder(owner.client, folderName)).id;
});
afterAll(() => service.stop());

/** What answers told, by the collection it belongs to, so that later requests meet something. */
type Harvest = Map<string, string[]>;

function keep(harvest: Harvest, collection: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') return;
  harvest.set(collection, [...(harvest.get(collection) ?? []).slice(-9), value]);
}

function gather(harvest: Harvest, { path }: Operation, answer: Answer): void {
  const [, place = '', id] = /^\/(\w+)\/([\w-]+)$/.exec(answer.headers.location ?? '') ?? [];
  keep(harvest, place, id);
  const collection = path.includes('invitations') ? 'invitations' : (path.split('/')[1] ?? '');
  const items: unknown = Reflect.get(Object(answer.json), 'items');
  for (const found of [answer.json, ...(Array.isArray(items) ? items : [])]) {
    keep(harvest, collection, Reflect.get(Object(found), 'id'));
    keep(harvest, 'token', Reflect.get(Object(found), 'token'));
    keep(harvest, 'jobs', Reflect.get(Object(found), 'job_id'));
  }
}

/** What parameters of an operation mean to somebody who calls the folder `folder`. */
function knownTo(folder: string, operation: Operation, harvest: Harvest): Known {
  const collection = operation.path.includes('invitations')
    ? 'invitations'
    : (operation.path.split('/')[1] ?? '');
  const texts: Readonly<Record<string, readonly unknown[]>> = {
    path: ['a', 'b/c', 'made'],
    file: ['a', 'b/c'],
    folder: [folder],
    expires_in: [3_600],
    files: ['a', 'b', 'b/c'],
    src: ['a'],
    dst: ['b/moved'],
    member: [stranger.email, stranger.id],
    user: [stranger.email],
    user_ids: [stranger.email],
    emails: [stranger.email],
    queue: ['fs', 'archive', 'copy'],
    volume: ['local'],
    token: harvest.get('token') ?? [],
    inv_id: harvest.get('invitations') ?? [],
    task_id: harvest.get('jobs') ?? [],
    vfolder_id: [folderId],
    id: operation.path.includes('{id}') ? (harvest.get(collection) ?? []) : [folderId],
    'Tus-Resumable': ['1.0.0'],
    'Upload-Metadata': [`folder ${btoa(folder)},path ${btoa('a')}`],
    Prefer: ['respond-async', 'wait=1'],
    Range: ['bytes=0-1'],
  };
  // The name in a path is that of a folder; in a body it is that of something new.
  const name = operation.path.includes('{name}') ? [folder] : ['made', folder];
  return (asked) => (asked === 'name' ? name : (texts[asked] ?? []));
}

/** Calls after which there may be less than before. */
function takesAway({ method, name }: Operation): boolean {
  return method === 'DELETE' || /rename|move|purge|leave|transfer|trash|delete/.test(name);
}

async function restock(client: Client): Promise<void> {
  await client.call('POST', '/folders', { json: { name: folderName } });
  for (const path of ['a', 'b/c']) {
    await client.call('PUT', `/folders/${folderName}/files/${path}`, { body: 'content' });
  }
}

interface Actor {
  readonly word: string;
  readonly client: Client;
  readonly folder: string;
  readonly operations: readonly Operation[];
  /** Sent instead of what the dice have for it. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly complaints: string[];
  readonly succeeded: Set<string>;
  /** Answers by status. */
  readonly tally: Record<number, number>;
}

async function askOnce(
  actor: Actor,
  operation: Operation,
  dice: Dice,
  harvest: Harvest,
): Promise<{ readonly answer?: Answer; readonly complaint?: string }> {
  const made = makeRequest(operation, dice, knownTo(actor.folder, operation, harvest));
  const { path } = made;
  const options = { ...made.options, headers: { ...made.options.headers, ...actor.headers } };
  const request = `${actor.word}: ${operation.name} as ${path.slice(0, 200)} ${JSON.stringify(options).slice(0, 400)}`;
  try {
    const signal = AbortSignal.timeout(answerMsMax);
    const answer = await actor.client.call(operation.method, path, { ...options, signal });
    const complaint = judge(operation, answer);
    if (complaint === undefined) return { answer };
    return { answer, complaint: `${complaint}\n  ${request}\n  ${answer.text.slice(0, 300)}` };
  } catch (error) {
    return { complaint: `no answer: ${error}\n  ${request}` };
  }
}

async function fuzz(actor: Actor): Promise<Outcome> {
  const dice = makeDice(seed, actor.word);
  const harvest: Harvest = new Map();
  const outcome: Outcome = { complaints: [], succeeded: new Set(), tally: {} };
  const rounds = Array.from({ length: roundCount }, () =>
    dice.some(actor.operations, actor.operations.length),
  );
  for (const operation of rounds.flat()) {
    const { answer, complaint } = await askOnce(actor, operation, dice, harvest);
    if (complaint !== undefined) outcome.complaints.push(complaint);
    if (answer === undefined) continue;
    outcome.tally[answer.status] = (outcome.tally[answer.status] ?? 0) + 1;
    if (answer.status >= 300) continue;
    outcome.succeeded.add(operation.name);
    gather(harvest, operation, answer);
    if (takesAway(operation) && actor.client === owner.client) await restock(actor.client);
  }
  process.stderr.write(
    `${actor.word}: ${JSON.stringify(outcome.tally)}, ${outcome.succeeded.size} succeed\n`,
  );
  return outcome;
}

// First, for the others may rotate the stranger's keypair or share the folder.
it('would notice a status, a body or a code that the document does not have', async () => {
  const [operation] = description.operations.filter(({ name }) => name === 'GET /folders/{name}');
  if (operation === undefined) throw new Error('Folders can be seen.');
  const answer = await stranger.client.call('GET', `/folders/${folderId}`);
  expect(judge(operation, answer)).toBeUndefined();
  const { 404: _left, ...responses } = operation.responses;
  expect(judge({ ...operation, responses }, answer)).toMatch('not documented');
  const other = { ...Object(answer.json), code: 'quota_exceeded' };
  expect(judge(operation, { ...answer, json: other })).toMatch('must be equal to one of');
  expect(
    judge(operation, { ...answer, headers: { ...answer.headers, 'content-type': 'text/html' } }),
  ).toMatch('text/html');
  expect(judge(operation, { ...answer, status: 500 })).toBe('status 500');
});

it(
  'answers hostile values in every operation with what the document says of it, and with no fault of its own',
  async () => {
    await restock(owner.client);
    // A stream that no job ends is no answer to wait for.
    const operations = description.operations.filter(({ name }) => name !== 'GET /events');
    const ofAdmins = operations.filter(({ path }) => path.startsWith('/admin/'));
    const outcomes = await Promise.all([
      fuzz({ word: 'owner', client: owner.client, folder: folderName, operations }),
      fuzz({ word: 'stranger', client: stranger.client, folder: folderId, operations }),
      fuzz({ word: 'anonymous', client: service.client(), folder: folderId, operations }),
    ]);
    // Afterwards, for an administrator may pause the queues that the others wait for, and waits for none of them.
    const administrator = { word: 'administrator', client: service.administrator, folder: folderId };
    const headers = { Prefer: 'respond-async' };
    outcomes.push(await fuzz({ ...administrator, headers, operations: ofAdmins }));
    const complaints = outcomes.flatMap((outcome) => outcome.complaints);
    expect(complaints.join('\n\n'), `${complaints.length} complaints, seed ${seed}`).toBe('');
    // Values that nothing accepts would be refused at the door, and find nothing behind it.
    const [ofOwner] = outcomes;
    expect(ofOwner?.succeeded.size, `seed ${seed}`).toBeGreaterThan(operations.length / 4);
  },
  roundCount * roundMsMax,
);
