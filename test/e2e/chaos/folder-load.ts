import { type Client, pathOf } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import { count, type Tally, tryCall } from './call.ts';
import type { Dice } from './dice.ts';
import { type Content, contentOf, type Expectation, makeExpectation } from './expectation.ts';

/** What is known of a folder that comes and goes. */
export interface PassingFolder {
  readonly client: Client;
  readonly name: string;
  readonly id: string | undefined;
  readonly expectation: Expectation;
  state: 'there' | 'gone' | 'unknown';
}

/** A client that makes folders, fills them a little, and deletes them. */
export interface FolderLoad {
  readonly client: Client;
  readonly dice: Dice;
  readonly tally: Tally;
  readonly folders: PassingFolder[];
}

const foldersMax = 12;

async function makeFolder({ client, dice, tally, folders }: FolderLoad): Promise<void> {
  const name = `passing-${folders.length}-${dice.below(1_000_000)}`;
  count(tally, 'folders made');
  const outcome = await tryCall(tally, client, {
    method: 'POST',
    path: '/folders',
    options: { json: { name } },
  });
  if (outcome.kind === 'never_sent') return;
  const expectation = makeExpectation();
  if (outcome.kind === 'unknown') {
    folders.push({ client, name, id: undefined, expectation, state: 'unknown' });
    return;
  }
  if (outcome.answer.status !== 201) {
    tally.findings.push(`Making a folder answers ${outcome.answer.status}: ${outcome.answer.text}`);
    return;
  }
  folders.push({ client, name, id: textAt(outcome.answer.json, 'id'), expectation, state: 'there' });
}

async function fillFolder({ client, dice, tally }: FolderLoad, folder: PassingFolder): Promise<void> {
  const parts = Array.from({ length: dice.between(1, 5) }, (_, index) => ({
    fileName: `a/b${index}`,
    bytes: dice.bytes(dice.between(0, 9_000)),
  }));
  if (parts.some(({ fileName }) => folder.expectation.isOpen(fileName))) return;
  const after = new Map<string, Content>(parts.map(({ fileName, bytes }) => [fileName, contentOf(bytes)]));
  const path = pathOf('folders', folder.name, 'upload');
  const outcome = await tryCall(tally, client, { method: 'POST', path, options: { parts } });
  if (outcome.kind === 'never_sent') return;
  const isDone = outcome.kind === 'answer' && outcome.answer.status === 201;
  if (isDone) folder.expectation.settle(after);
  else folder.expectation.leaveOpen({ label: `upload to ${folder.name}`, after });
}

async function deleteFolder({ client, tally }: FolderLoad, folder: PassingFolder): Promise<void> {
  count(tally, 'folders deleted');
  const path = pathOf('folders', folder.name);
  const outcome = await tryCall(tally, client, { method: 'DELETE', path });
  if (outcome.kind === 'unknown') folder.state = 'unknown';
  if (outcome.kind !== 'answer') return;
  if (outcome.answer.status === 204) folder.state = 'gone';
  else tally.findings.push(`Deleting a folder answers ${outcome.answer.status}: ${outcome.answer.text}`);
}

/** Makes, fills or deletes one folder. */
export async function actOnFolders(load: FolderLoad): Promise<void> {
  count(load.tally, 'operations');
  const there = load.folders.filter(({ state }) => state === 'there');
  if (there.length < 3 || (there.length < foldersMax && load.dice.happens(0.3))) return makeFolder(load);
  const folder = load.dice.pick(there);
  return load.dice.happens(0.6) ? fillFolder(load, folder) : deleteFolder(load, folder);
}
