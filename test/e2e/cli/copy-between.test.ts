import { randomBytes } from 'node:crypto';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createUser } from '../support/users.ts';
import { sumsOf, writeTree } from './local-trees.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let ada: Cli;
let bob: Cli;
let bobEmail: string;
const large = randomBytes(40_000_000);

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  const [one, two] = await Promise.all([createUser(service), createUser(service)]);
  ada = makeCli({ url: service.url, home: join(dir.path, 'ada'), keypair: one.keypair });
  bob = makeCli({ url: service.url, home: join(dir.path, 'bob'), keypair: two.keypair });
  bobEmail = two.email;
  await ada(['create', 'src']);
  const tree = join(dir.path, 'tree');
  await writeTree(tree, { a: 'a', 'd/x y': 'x', 'd/e/ü': 'y', 'd/large': large, 'd/small': 'old' });
  await mkdir(join(tree, 'd', 'empty'));
  expect(await ada(['put', '-r', `${tree}/.`, 'src:'])).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await service.stop();
  await dir.remove();
});

/** Makes a folder and answers where its files lie. */
async function makeFolder(cli: Cli, name: string): Promise<string> {
  const { stdout } = await cli(['create', name, '--json']);
  return join(folderDir(service.volumeRoot, JSON.parse(stdout).id), 'data');
}

it('copies files and trees by the rules of cp, and shows them whole', async () => {
  const data = await makeFolder(ada, 'one');
  expect(await ada(['cp', 'src:a', 'one:'])).toMatchObject({ code: 0, stdout: '' });
  expect(await ada(['cp', 'src:a', 'one:new/b'])).toMatchObject({ code: 0 });
  expect(await ada(['cp', '-r', 'src:d', 'one:copied'])).toMatchObject({ code: 0 });
  expect(await ada(['cp', '-r', 'src:d', 'src:a', 'one:new'])).toMatchObject({ code: 0 });
  expect(await ada(['cp', '-r', 'src:', 'one:'])).toMatchObject({ code: 0 });
  expect(await ada(['cp', '-r', 'src:d/e/.', 'one:content'])).toMatchObject({ code: 0 });
  const sums = await sumsOf(data);
  const tree = await sumsOf(join(dir.path, 'tree'));
  expect(Object.keys(sums).toSorted()).toEqual(
    [
      'a',
      'new/b',
      ...['x y', 'e/ü', 'large', 'small'].flatMap((name) => [`copied/${name}`, `new/d/${name}`]),
      'new/a',
      ...Object.keys(tree).map((name) => `src/${name}`),
      'content/ü',
    ].toSorted(),
  );
  expect(sums['copied/large']).toBe(tree['d/large']);
  expect((await ada(['ls', 'one:copied'])).stdout).toContain('empty/\n');
});

it('does with files that are there what is asked for, also with large ones', async () => {
  const data = await makeFolder(ada, 'two');
  const other = { a: 'other', 'd/large': 'other', 'd/small': 'other', 'd/mine': 'mine' };
  await writeTree(join(dir.path, 'other'), other);
  await ada(['put', '-r', `${join(dir.path, 'other')}/.`, 'two:']);
  const before = await sumsOf(data);
  for (const choice of [['--dry-run'], ['--on-conflict', 'skip']]) {
    expect(await ada(['cp', 'src:a', 'src:inside', ...choice])).toMatchObject({ code: 2, stdout: '' });
  }
  const refused = await ada(['cp', 'src:a', 'two:', '--on-conflict', 'fail']);
  expect(refused).toMatchObject({ code: 6, stdout: '' });
  expect(refused.stderr).toContain('two:a is there already');
  expect(await ada(['cp', 'src:a', 'two:', '--on-conflict', 'skip'])).toMatchObject({ code: 0 });
  expect(await ada(['cp', '-r', 'src:.', 'two:', '--dry-run'])).toMatchObject({
    code: 0,
    stdout: [
      'replace src:a -> two:a',
      'copy src:d/e -> two:d/e',
      'copy src:d/empty -> two:d/empty',
      'replace src:d/large -> two:d/large',
      'replace src:d/small -> two:d/small',
      'copy src:d/x y -> two:d/x y',
      '',
    ].join('\n'),
  });
  expect(await sumsOf(data)).toEqual(before);
  const partly = await ada(['cp', '-r', 'src:.', 'two:', '--on-conflict', 'fail', '--json']);
  expect(partly.code).toBe(8);
  expect(JSON.parse(partly.stdout)).toMatchObject({ files: 2, failed: { length: 3 } });
  expect(await ada(['cp', '-r', 'src:.', 'two:'])).toMatchObject({ code: 0 });
  expect(await sumsOf(data)).toEqual({
    ...(await sumsOf(join(dir.path, 'tree'))),
    'd/mine': before['d/mine'],
  });
});

it('refuses what cannot be copied, with the code for it', async () => {
  const data = await makeFolder(ada, 'three');
  await ada(['put', '-', 'three:file'], 'x');
  await ada(['mkdir', 'three:a']);
  const codes = async (...args: string[]) => (await ada(['cp', ...args])).code;
  expect(await codes('src:d', 'three:')).toBe(2);
  expect(await codes('src:none', 'three:')).toBe(3);
  expect(await codes('src:a', 'none:')).toBe(3);
  expect(await codes('src:a', 'src:d', 'three:file')).toBe(2);
  expect(await codes('-r', 'src:d/.', 'three:file')).toBe(6);
  expect(await codes('src:a', 'three:')).toBe(6);
  expect(await codes('src:a', 'three:file', '--detach')).toBe(2);
  expect(await sumsOf(data)).toMatchObject({ file: expect.any(String) });
  const source = await makeFolder(ada, 'links');
  await symlink('/etc/passwd', join(source, 'link'));
  await writeTree(source, { b: 'b' });
  const run = await ada(['cp', '-r', 'links:', 'three:']);
  expect(run).toMatchObject({ code: 0 });
  expect(run.stderr).toContain('links:link is neither a file nor a directory');
  expect((await ada(['ls', 'three:links'])).stdout).toBe('b\n');
  expect(await codes('links:link', 'three:')).toBe(6);
});

it('takes ro in the one, rw in the other, and room there', async () => {
  const admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
  const data = await makeFolder(bob, 'mine');
  const accept = async (cli: Cli) => {
    const id = (await cli(['invites', '-o', 'name'])).stdout.trim();
    await cli(['invites', 'accept', id]);
  };
  expect(await bob(['cp', 'src:a', 'mine:'])).toMatchObject({ code: 3 });
  await ada(['share', 'src', bobEmail, '--perm', 'ro']);
  await accept(bob);
  expect(await bob(['cp', 'src:a', 'mine:'])).toMatchObject({ code: 0 });
  expect(await bob(['cp', 'mine:a', 'src:b'])).toMatchObject({ code: 3 });
  const { id } = JSON.parse((await bob(['info', 'mine', '--json'])).stdout);
  await admin(['admin', 'quota', 'set', id, '--bytes', '1M']);
  expect(await bob(['cp', '-r', 'src:d', 'mine:'])).toMatchObject({ code: 7 });
  expect(Object.keys(await sumsOf(data))).toEqual(['a']);
});

it('leaves the work to the service when asked to', async () => {
  await makeFolder(ada, 'left');
  const { stdout, code } = await ada(['cp', '-r', 'src:d', 'left:x/y', '--detach']);
  expect(code).toBe(0);
  expect(await ada(['jobs', 'watch', stdout.trim()])).toMatchObject({ code: 0 });
  expect((await ada(['cat', 'left:x/y/small'])).stdout).toBe('old');
});

it('ends its job when it is interrupted, and leaves nothing of the copy', async () => {
  const admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
  await makeFolder(ada, 'stopped');
  await admin(['admin', 'queues', 'pause', 'copy.local']);
  const running = ada.start(['cp', '-r', 'src:d', 'stopped:']);
  const statesOf = async () =>
    JSON.parse((await ada(['jobs', 'ls', '--json'])).stdout).flatMap(
      (job: { kind: string; state: string }) =>
        job.kind === 'entries.copy' && job.state !== 'succeeded' && job.state !== 'failed' ? [job.state] : [],
    );
  await eventually(async () => expect(await statesOf()).toEqual(['queued']));
  // The service answers with the job after a second; before, nobody knows which one to end.
  await eventually(() => expect(running.stderr()).toContain('job '));
  running.interrupt();
  expect(await running.done).toMatchObject({ code: 130 });
  await admin(['admin', 'queues', 'resume', 'copy.local']);
  await eventually(async () => expect(await statesOf()).toEqual(['cancelled']));
  expect((await ada(['ls', 'stopped:'])).stdout).toBe('');
  expect(await ada(['cp', '-r', 'src:d', 'stopped:'])).toMatchObject({ code: 0 });
});
