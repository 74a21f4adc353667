import type { Client } from '../support/http-client.ts';
import { at, listAt, textAt } from '../support/json.ts';
import { readTar } from '../support/tar.ts';
import type { TestFolder } from '../support/users.ts';
import { count, type Outcome, type Tally, tryCall } from './call.ts';
import type { Dice } from './dice.ts';
import { type Content, type Contents, contentOf, type Expectation, sameContent } from './expectation.ts';

/** One client at work in its own corner of a folder. */
export interface Corner {
  readonly client: Client;
  readonly folder: TestFolder;
  readonly expectation: Expectation;
  /** Everything this client touches lies below; nobody else touches it. */
  readonly prefix: string;
  readonly dice: Dice;
  readonly tally: Tally;
  /** Ids of archives that were promised. */
  readonly archives: string[];
}

const dirsMax = 8;
const filesPerDir = 14;

function dirsOf({ prefix }: Corner): string[] {
  return Array.from({ length: dirsMax }, (_, index) => `${prefix}/d${index}`);
}

function freePaths(corner: Corner): string[] {
  return dirsOf(corner)
    .flatMap((dir) => Array.from({ length: filesPerDir }, (_, index) => `${dir}/f${index}`))
    .filter((path) => !corner.expectation.isOpen(path));
}

function ownFiles({ expectation, prefix }: Corner): string[] {
  return expectation.filesBelow(prefix).filter((path) => !expectation.isOpen(path));
}

function sizeOf(dice: Dice): number {
  if (dice.happens(0.02)) return dice.between(1_000_000, 3_000_000);
  if (dice.happens(0.1)) return dice.between(200_000, 400_000);
  return dice.happens(0.05) ? 0 : dice.between(1, 20_000);
}

/** A third waits for the job as the document says, the others bound the wait or do not wait at all. */
function preferenceOf(dice: Dice): { [name: string]: string } {
  if (dice.happens(0.35)) return {};
  return { Prefer: dice.happens(0.5) ? 'respond-async' : 'wait=2' };
}

/** Notes what an outcome means for a change; says whether it may be repeated. */
function note(
  corner: Corner,
  outcome: Outcome,
  change: { label: string; after: Contents; done: number },
): 'acknowledged' | 'refused' | 'unknown' {
  const { expectation, tally } = corner;
  if (outcome.kind === 'never_sent') return 'refused';
  if (outcome.kind === 'unknown') {
    expectation.leaveOpen(change);
    return 'unknown';
  }
  const { status, json, text } = outcome.answer;
  if (status === 202) {
    const jobId = at(json, 'id') ?? at(json, 'job_id');
    expectation.leaveOpen({ ...change, jobId: typeof jobId === 'string' ? jobId : undefined });
    return 'acknowledged';
  }
  if (status === change.done) {
    expectation.settle(change.after);
    return 'acknowledged';
  }
  // A path that a dead request still holds is busy for a while; nothing else may be refused here.
  if (status !== 409) tally.findings.push(`${change.label} answers ${status}: ${text}`);
  return 'refused';
}

async function uploadFiles(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, expectation } = corner;
  const paths = dice.some(freePaths(corner), dice.happens(0.5) ? 1 : dice.between(2, 20));
  if (paths.length === 0) return;
  const parts = paths.map((fileName) => ({ fileName, bytes: dice.bytes(sizeOf(dice)) }));
  const after = new Map(parts.map(({ fileName, bytes }) => [fileName, contentOf(bytes)]));
  const request = () => ({
    method: 'POST',
    path: folder.path('upload'),
    options: { parts, headers: preferenceOf(dice) },
  });
  count(tally, 'uploads');
  const label = `upload of ${paths.join(' ')}`;
  const noted = note(corner, await tryCall(tally, client, request()), { label, after, done: 201 });
  if (noted !== 'unknown' || dice.happens(0.5)) return;
  // People send again what got no answer. Both may take effect; the contents are the same.
  count(tally, 'repeated uploads');
  const again = await tryCall(tally, client, request());
  const change = expectation.open.findLast((one) => one.label === label);
  if (again.kind === 'answer' && again.answer.status === 201 && change !== undefined)
    change.isAcknowledged = true;
}

async function deleteFiles(corner: Corner): Promise<void> {
  const { client, folder, dice, tally } = corner;
  const files = dice.some(ownFiles(corner), dice.between(1, 4));
  if (files.length === 0) return;
  count(tally, 'deletes of files');
  const options = { json: { files }, headers: dice.happens(0.3) ? { Prefer: 'respond-async' } : {} };
  const outcome = await tryCall(tally, client, {
    method: 'DELETE',
    path: folder.path('delete_files'),
    options,
  });
  // Each path is renamed by itself: a request that dies half-way has deleted some of them.
  // With 202 the job has the rest, and its end tells what it did.
  const isDone = outcome.kind === 'answer' && Array.isArray(at(outcome.answer.json, 'results', 'success'));
  if (isDone) checkDeleted(corner, files, outcome.answer.json);
  for (const path of files) {
    const after = new Map<string, Content>([[path, null]]);
    if (isDone) corner.expectation.settle(after);
    else note(corner, outcome, { label: `delete of ${path}`, after, done: 200 });
  }
}

function checkDeleted(corner: Corner, files: readonly string[], json: unknown): void {
  const gone = listAt(json, 'results', 'success').map((result) => textAt(result, 'item'));
  const missed = files.filter((path) => !gone.includes(path));
  if (missed.length > 0)
    corner.tally.findings.push(`These were there and were not deleted: ${missed.join(' ')}`);
}

async function deleteDirectory(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, expectation } = corner;
  const dirs = dirsOf(corner).filter(
    (dir) => expectation.filesBelow(dir).length > 0 && !expectation.isOpen(dir),
  );
  if (dirs.length === 0) return;
  const dir = dice.pick(dirs);
  const after = new Map<string, Content>(expectation.filesBelow(dir).map((path) => [path, null]));
  count(tally, 'deletes of directories');
  const options = { json: { files: [dir], recursive: true } };
  const outcome = await tryCall(tally, client, {
    method: 'DELETE',
    path: folder.path('delete_files'),
    options,
  });
  const noted = note(corner, outcome, { label: `delete of ${dir}`, after, done: 200 });
  if (noted === 'acknowledged') expectation.dirGone(dir);
  if (noted === 'unknown') expectation.dirUnknown(dir);
}

async function makeDirectory(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, expectation } = corner;
  const parent = dice.pick(dirsOf(corner));
  const dir = `${parent}/m${dice.below(5)}`;
  if (expectation.isOpen(parent)) return;
  count(tally, 'mkdirs');
  const outcome = await tryCall(tally, client, {
    method: 'POST',
    path: folder.path('mkdir'),
    options: { json: { path: dir } },
  });
  if (outcome.kind === 'unknown') expectation.dirUnknown(dir);
  if (outcome.kind !== 'answer') return;
  if (outcome.answer.status === 201) expectation.dirMade(dir);
  else tally.findings.push(`mkdir ${dir} answers ${outcome.answer.status}: ${outcome.answer.text}`);
}

async function downloadFile(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, expectation } = corner;
  const files = ownFiles(corner);
  if (files.length === 0) return;
  const path = dice.pick(files);
  const expected = expectation.files.get(path) ?? null;
  count(tally, 'downloads');
  const outcome = await tryCall(tally, client, {
    method: 'GET',
    path: folder.path('files', path).replaceAll('%2F', '/'),
  });
  if (outcome.kind !== 'answer') return;
  const { status, bytes } = outcome.answer;
  if (status === 200 && sameContent(contentOf(bytes), expected)) return;
  tally.findings.push(
    `A download of ${path} answers ${status} with ${bytes.length} bytes, not its ${expected?.size}`,
  );
}

async function downloadTree(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, expectation } = corner;
  const dirs = dirsOf(corner).filter(
    (dir) => expectation.filesBelow(dir).length > 0 && !expectation.isOpen(dir),
  );
  if (dirs.length === 0) return;
  const dir = dice.pick(dirs);
  count(tally, 'downloads of directories');
  const outcome = await tryCall(tally, client, {
    method: 'GET',
    path: folder.path('download'),
    options: { query: { files: [dir], format: 'tar' } },
  });
  if (outcome.kind !== 'answer') return;
  if (outcome.answer.status !== 200) {
    tally.findings.push(`A download of ${dir} answers ${outcome.answer.status}: ${outcome.answer.text}`);
    return;
  }
  const found = readTar(outcome.answer.bytes).filter(({ type }) => type === 'file');
  const base = dir.split('/').at(-1);
  for (const path of expectation.filesBelow(dir)) {
    const entry = found.find(
      ({ name }) => `${dir}/`.concat(name.slice(`${base}/`.length)) === path || name === path,
    );
    const isRight =
      entry !== undefined && sameContent(contentOf(entry.bytes), expectation.files.get(path) ?? null);
    if (!isRight) tally.findings.push(`The tar of ${dir} lacks the right ${path}`);
  }
}

async function askForArchive(corner: Corner): Promise<void> {
  const { client, folder, dice, tally, archives } = corner;
  const files = dice.some(ownFiles(corner), dice.between(1, 30));
  if (files.length === 0) return;
  count(tally, 'archives');
  const json = { files, format: dice.pick(['zip', 'tar', 'tar.gz']) };
  const outcome = await tryCall(tally, client, {
    method: 'POST',
    path: folder.path('archives'),
    options: { json },
  });
  if (outcome.kind !== 'answer') return;
  if (outcome.answer.status === 202) archives.push(textAt(outcome.answer.json, 'id'));
  else tally.findings.push(`An archive is answered ${outcome.answer.status}: ${outcome.answer.text}`);
}

/** Asks after a job that an earlier answer named; when it has ended the outcome is known. */
async function followJob({ client, tally, expectation, prefix, dice }: Corner): Promise<void> {
  const promised = expectation.open.filter(
    ({ jobId, after }) =>
      jobId !== undefined && [...after.keys()].every((path) => path.startsWith(`${prefix}/`)),
  );
  if (promised.length === 0) return;
  const change = dice.pick(promised);
  const path = `/jobs/${change.jobId}`;
  const outcome = await tryCall(tally, client, { method: 'GET', path });
  if (outcome.kind !== 'answer') return;
  const state = at(outcome.answer.json, 'state');
  if (state === 'succeeded') expectation.close(change);
  else if (state !== 'queued' && state !== 'running') {
    tally.findings.push(`${path} for ${change.label} answers ${outcome.answer.text}`);
  }
}

const actions: readonly (readonly [weight: number, act: (corner: Corner) => Promise<void>])[] = [
  [46, uploadFiles],
  [14, downloadFile],
  [12, deleteFiles],
  [6, deleteDirectory],
  [8, makeDirectory],
  [4, downloadTree],
  [5, askForArchive],
  [25, followJob],
];

const deck = actions.flatMap(([weight, act]) => Array.from({ length: weight }, () => act));

/** Does one random thing. */
export async function actOnce(corner: Corner): Promise<void> {
  count(corner.tally, 'operations');
  await corner.dice.pick(deck)(corner);
}
