import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type CliStage, openCliStage } from './cli-stage.ts';
import { sumsOf, writeTree } from './local-trees.ts';

let stage: CliStage;
let service: CliStage['service'];
let dir: CliStage['dir'];
let ada: CliStage['ada'];
let makeFolder: CliStage['makeFolder'];

beforeAll(async () => {
  stage = await openCliStage();
  ({ service, dir, ada, makeFolder } = stage);
});
afterAll(() => stage.close());

interface Line {
  readonly percent: number;
  readonly files: number | undefined;
  readonly speed: string | undefined;
  readonly left: string | undefined;
}

const form =
  /^Uploading · (?<percent>\d+) % · [\d.]+ \w+ of [\d.]+ \w+(?: · (?<files>\d+) of \d+ files)?(?: · (?<speed>[\d.]+ \w+)\/s)?(?: · (?<left>\S+) left)?(?: · being put in place)?$/;

/** The lines of progress of a run without a terminal. */
function linesOf(stderr: string): Line[] {
  return stderr.split('\n').flatMap((line) => {
    if (!line.startsWith('Uploading')) return [];
    const { percent, files, speed, left } = form.exec(line)?.groups ?? {};
    return [
      { percent: Number(percent), files: files === undefined ? undefined : Number(files), speed, left },
    ];
  });
}

/** Kills the API once `isUnderWay`, and waits for the end of the upload. */
async function putWhileApiDies(args: readonly string[], isUnderWay: () => Promise<void>): Promise<Line[]> {
  const putting = ada.start(['put', '--progress-every', '0.1', '--transfers', '1', ...args]);
  await eventually(isUnderWay);
  const [api] = service.pids().api;
  if (api !== undefined) process.kill(api, 'SIGKILL');
  const { code, stderr } = await putting.done;
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain('cannot be reached');
  return linesOf(stderr);
}

function expectTelling(lines: readonly Line[]): void {
  const percents = lines.map(({ percent }) => percent);
  expect(percents.every((percent) => percent >= 0 && percent <= 100)).toBe(true);
  const telling = lines.filter(
    ({ percent, speed, left }) => percent > 0 && percent < 100 && speed !== undefined && left !== undefined,
  );
  expect(telling, JSON.stringify(lines)).not.toEqual([]);
}

it('a directory of many files tells percent, speed and time left, and survives a restart of the API', async () => {
  const tree = join(dir.path, 'many');
  const names = Array.from({ length: 900 }, (_, at) => `d${at % 9}/file ${at}`);
  await writeTree(tree, Object.fromEntries(names.map((name) => [name, randomBytes(4_096)])));
  const root = await makeFolder('many');
  const lines = await putWhileApiDies(['-r', `${tree}/.`, 'many:'], async () => {
    expect(await readdir(join(root, 'data'))).not.toEqual([]);
  });
  expectTelling(lines);
  expect(Math.max(...lines.map(({ files = 0 }) => files))).toBeGreaterThan(0);
  expect(await sumsOf(join(root, 'data'))).toEqual(await sumsOf(tree));
}, 120_000);

it('a large file tells percent, speed and time left, and survives a restart of the API', async () => {
  const block = randomBytes(1024 ** 2);
  const content = Buffer.concat(Array.from({ length: 64 }, () => block));
  await writeTree(join(dir.path, 'one'), { large: content });
  const root = await makeFolder('large');
  const lines = await putWhileApiDies([join(dir.path, 'one', 'large'), 'large:'], async () => {
    const [staged] = await readdir(join(root, 'stage'));
    const { size } = await stat(join(root, 'stage', staged ?? 'none'));
    expect(size).toBeGreaterThan(20_000_000);
  });
  expectTelling(lines);
  expect(await sumsOf(join(root, 'data'))).toEqual(await sumsOf(join(dir.path, 'one')));
}, 120_000);

it('lines of progress come as often as asked for, and the option is read strictly', async () => {
  await makeFolder('strict');
  for (const wrong of ['0', '0.01', '-1', 'x', '1e3']) {
    expect(await ada(['put', dir.path, 'strict:', '-r', '--progress-every', wrong])).toMatchObject({
      code: 2,
    });
  }
});
