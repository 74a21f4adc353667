import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser } from '../support/users.ts';
import { journalsOf, untilUploadNoted } from './journals.ts';
import { sumsOf } from './local-trees.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let ada: Cli;
let bob: Cli;
let bobEmail: string;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  const [one, two] = await Promise.all([createUser(service), createUser(service)]);
  ada = makeCli({ url: service.url, home: join(dir.path, 'ada'), keypair: one.keypair });
  bob = makeCli({ url: service.url, home: join(dir.path, 'bob'), keypair: two.keypair });
  bobEmail = two.email;
});
afterAll(async () => {
  await service.stop();
  await dir.remove();
});

async function makeTree(root: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, at) => join(root, `d ${at % 7}`, `ünï 名前 ${at}.txt`));
  for (let at = 0; at < 7; at += 1) await mkdir(join(root, `d ${at}`), { recursive: true });
  await mkdir(join(root, 'empty'), { recursive: true });
  for (const name of names) await writeFile(name, `${name}\n`);
  await writeFile(join(root, `100% "real" it's +1 & 2.bin`), randomBytes(2_000_000));
}

describe('transfers', () => {
  it('bring a tree there and back, byte for byte, also while the API is killed, and a large file as well', async () => {
    const tree = join(dir.path, 'tree');
    await makeTree(tree, 990);
    const large = join(dir.path, 'large.bin');
    const block = randomBytes(1024 ** 2);
    await writeFile(large, Buffer.concat(Array.from({ length: 200 }, () => block)));
    await ada(['create', 'big']);
    const putting = ada.start(['put', '-r', tree, large, 'big:']);
    await eventually(async () => {
      const { stdout } = await ada(['ls', 'big:']);
      expect(stdout).not.toBe('');
    });
    const [api] = service.pids().api;
    if (api !== undefined) process.kill(api, 'SIGKILL');
    expect(await putting.done).toMatchObject({ code: 0, stdout: '' });
    const getting = ada.start(['get', '-r', 'big:.', join(dir.path, 'back')]);
    const [again] = await eventually(() => {
      const { api: pids } = service.pids();
      expect(pids).toHaveLength(1);
      return pids;
    });
    if (again !== undefined) process.kill(again, 'SIGKILL');
    expect(await getting.done).toMatchObject({ code: 0 });
    expect(await sumsOf(join(dir.path, 'back', 'tree'))).toEqual(await sumsOf(tree));
    expect((await stat(join(dir.path, 'back', 'tree', 'empty'))).isDirectory()).toBe(true);
    expect(Buffer.compare(await readFile(join(dir.path, 'back', 'large.bin')), await readFile(large))).toBe(
      0,
    );
    expect(await readdir(join(dir.path, 'back'))).toEqual(['large.bin', 'tree']);
  }, 240_000);

  it('go on after an interruption where they were, and leave no journal when they are complete', async () => {
    const file = join(dir.path, 'long.bin');
    await writeFile(file, randomBytes(80 * 1024 ** 2));
    await ada(['create', 'resumed']);
    const first = ada.start(['put', file, 'resumed:']);
    await untilUploadNoted(join(dir.path, 'ada'));
    first.interrupt();
    expect((await first.done).code).toBe(130);
    expect(await ada(['put', file, 'resumed:'])).toMatchObject({ code: 0 });
    const { stdout } = await ada(['stat', 'resumed:long.bin', '-o', 'jsonl']);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'file', size: 80 * 1024 ** 2 });
    expect(await readdir(journalsOf(join(dir.path, 'ada')))).toEqual([]);
  }, 120_000);

  it('take standard input and give standard output', async () => {
    await ada(['create', 'pipes']);
    expect(await ada(['put', '-', 'pipes:in/x.txt'], 'hello\n')).toMatchObject({ code: 0, stdout: '' });
    expect(await ada(['cat', 'pipes:in/x.txt'])).toMatchObject({ code: 0, stdout: 'hello\n', stderr: '' });
    expect(await ada(['get', 'pipes:in/x.txt', '-'])).toMatchObject({ code: 0, stdout: 'hello\n' });
  });

  it('leave links out, and name what cannot be transferred', async () => {
    const tree = join(dir.path, 'mixed');
    await mkdir(join(tree, 'sub'), { recursive: true });
    await writeFile(join(tree, 'good'), 'good');
    await writeFile(join(tree, 'sub', 'bad\u0001name'), 'bad');
    await symlink('/etc/passwd', join(tree, 'link'));
    await ada(['create', 'mixed']);
    const run = await ada(['put', '-r', `${tree}/.`, 'mixed:', '--json']);
    expect(run.code).toBe(8);
    expect(run.stderr).toContain('link is neither a file nor a directory');
    expect(JSON.parse(run.stdout)).toMatchObject({
      files: 1,
      failed: [{ path: join(tree, 'sub', 'bad\u0001name') }],
    });
    expect((await ada(['ls', '-R', 'mixed:'])).stdout).toBe('good\n');
  });

  it('do what is asked about files that are there', async () => {
    const file = join(dir.path, 'there.txt');
    await writeFile(file, 'one');
    await ada(['create', 'there']);
    await ada(['put', file, 'there:']);
    await writeFile(file, 'two');
    expect(await ada(['put', file, 'there:', '--on-conflict', 'fail'])).toMatchObject({ code: 6 });
    expect(await ada(['put', file, 'there:', '--on-conflict', 'skip'])).toMatchObject({ code: 0 });
    expect((await ada(['cat', 'there:there.txt'])).stdout).toBe('one');
    expect(await ada(['put', file, 'there:'])).toMatchObject({ code: 0 });
    expect((await ada(['cat', 'there:there.txt'])).stdout).toBe('two');
  });
});

describe('a keypair over a connection that others can read', () => {
  it('signs every kind of request and is never sent', async () => {
    // This address leads to the machine itself, but does not say so.
    const url = service.url.replace('127.0.0.1', '0.0.0.0');
    const { keypair } = await createUser(service);
    const signing = makeCli({ url, home: join(dir.path, 'signing'), keypair });
    const tree = join(dir.path, 'signed');
    await mkdir(tree);
    await writeFile(join(tree, 'a b+ü'), 'small');
    await writeFile(join(tree, 'whole'), randomBytes(2_000_000));
    await writeFile(join(tree, 'large'), randomBytes(20_000_000));
    expect(await signing(['create', 'signed it'])).toMatchObject({ code: 0 });
    expect(await signing(['put', '-r', tree, 'signed it:'])).toMatchObject({ code: 0 });
    expect(await signing(['get', '-r', 'signed it:signed', join(dir.path, 'signed-back')])).toMatchObject({
      code: 0,
    });
    expect(await sumsOf(join(dir.path, 'signed-back'))).toEqual(await sumsOf(tree));
    expect(await signing(['rm', '-r', 'signed it:signed'])).toMatchObject({ code: 0 });
  });
});

describe('an interrupt', () => {
  it('ends a command that waits for the service at once', async () => {
    const nowhere = makeCli({ url: 'http://127.0.0.1:1', home: dir.path });
    const waiting = nowhere.start(['put', '-r', dir.path, 'none:']);
    await eventually(() => expect(waiting.stderr()).toContain('Trying again'));
    waiting.interrupt();
    expect(await waiting.done).toMatchObject({ code: 130, stdout: '' });
  });
});

describe('exit codes', () => {
  const wrong = () =>
    makeCli({
      url: service.url,
      home: dir.path,
      keypair: { accessKey: 'NOBODY', secretKey: 'x'.repeat(20) },
    });

  it('say what kind of failure it was', async () => {
    const nowhere = makeCli({ url: 'http://127.0.0.1:1', home: dir.path });
    await ada(['create', 'codes']);
    const directory = join(dir.path, 'codes');
    await mkdir(directory, { recursive: true });
    const codes = {
      usage: (await ada(['put'])).code,
      unknown: (await ada(['nonsense'])).code,
      option: (await ada(['ls', '--nonsense'])).code,
      form: (await ada(['ls', '-o', 'xml'])).code,
      recursive: (await ada(['put', directory, 'codes:'])).code,
      missing: (await ada(['info', 'no such folder'])).code,
      entry: (await ada(['cat', 'codes:none'])).code,
      credentials: (await wrong()(['ls'])).code,
      network: (await nowhere(['ls'])).code,
      taken: (await ada(['create', 'codes'])).code,
      job: (await ada(['jobs', 'show', '0190a0a0-0000-7000-8000-000000000000'])).code,
      unasked: (await ada(['rm-folder', 'codes'])).code,
      help: (await ada(['--help'])).code,
    };
    expect(codes).toEqual({
      usage: 2,
      unknown: 2,
      option: 2,
      form: 2,
      recursive: 2,
      missing: 3,
      entry: 3,
      credentials: 4,
      network: 5,
      taken: 6,
      job: 3,
      unasked: 2,
      help: 0,
    });
  }, 120_000);

  it('end with 7 at a limit', async () => {
    await ada(['create', 'full']);
    const tree = join(dir.path, 'many');
    await mkdir(tree);
    for (let at = 0; at < 1_001; at += 1) await writeFile(join(tree, String(at)), '');
    expect(await ada(['put', '-r', tree, 'full:'])).toMatchObject({ code: 7 });
  }, 120_000);

  it('give the problem object on stderr with --json, and keep stdout empty', async () => {
    const { stdout, stderr, code } = await ada(['info', 'nothing', '--json']);
    expect({ stdout, code }).toEqual({ stdout: '', code: 3 });
    expect(JSON.parse(stderr)).toMatchObject({ status: 404, code: 'not_found' });
  });
});

describe('sharing, jobs and administration', () => {
  it('pass a folder from one to the other and back', async () => {
    await ada(['create', 'shared']);
    expect(await ada(['share', 'shared', bobEmail, '--perm', 'ro'])).toMatchObject({ code: 0 });
    const invitations: unknown = JSON.parse((await bob(['invites', '-o', 'json'])).stdout);
    expect(invitations).toMatchObject([{ vfolder_name: 'shared', permission: 'ro' }]);
    const id = (await bob(['invites', '-o', 'name'])).stdout.trim();
    await bob(['create', 'shared']);
    expect(await bob(['invites', 'accept', id])).toMatchObject({ code: 6 });
    expect(await bob(['invites', 'accept', id, '--as', "ada's"])).toMatchObject({ code: 0 });
    expect(await bob(['mkdir', "ada's:x"])).toMatchObject({ code: 3 });
    expect((await ada(['shares', 'shared', '-o', 'name'])).stdout).toBe(`${bobEmail}\n`);
    expect(await ada(['unshare', 'shared', bobEmail])).toMatchObject({ code: 0 });
    expect((await bob(['ls', '-o', 'name'])).stdout).toBe('shared\n');
  });

  it('follow work to its end, or leave it', async () => {
    await ada(['create', 'work']);
    await ada(['put', '-', 'work:a'], 'a');
    expect(await ada(['cp', 'work:a', 'work:b'])).toMatchObject({ code: 0 });
    expect(await ada(['mv', 'work:b', 'work:c'])).toMatchObject({ code: 0 });
    expect(await ada(['mv', 'work:c', 'work:a'])).toMatchObject({ code: 6 });
    const { stdout, code } = await ada(['clone', 'work', 'work 2', '--detach']);
    expect(code).toBe(0);
    const watched = await ada(['jobs', 'watch', stdout.trim(), '--json']);
    expect(JSON.parse(watched.stdout)).toMatchObject({ kind: 'folder.clone', state: 'succeeded' });
    expect((await ada(['ls', 'work 2:'])).stdout).toBe('a\nc\n');
    expect(await ada(['rm', 'work:none', 'work:nor'])).toMatchObject({ code: 3 });
    const listed = await ada(['ls', '-l', 'work:a', '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ name: 'a', type: 'file', mode: '-rw-r--r--' }]);
    expect(await ada(['cat', 'work:'])).toMatchObject({ code: 6 });
  });

  it('let the administrator see users, queues and workers, and nobody else', async () => {
    const admin = makeCli({ url: service.url, home: dir.path, keypair: service.admin });
    expect((await admin(['admin', 'users', '-o', 'name'])).stdout).toContain(bobEmail);
    expect((await admin(['admin', 'queues', '-o', 'name'])).stdout).toContain('upload.local');
    expect(await admin(['admin', 'queues', 'pause', 'copy.local'])).toMatchObject({ code: 0 });
    expect((await admin(['admin', 'queues'])).stdout).toMatch(/copy\.local .* paused/);
    expect(await admin(['admin', 'queues', 'resume', 'copy.local'])).toMatchObject({ code: 0 });
    expect(JSON.parse((await admin(['admin', 'workers', '--json'])).stdout)).toHaveLength(1);
    expect(await admin(['admin', 'status'])).toMatchObject({ code: 0 });
    expect(await ada(['admin', 'users'])).toMatchObject({ code: 4 });
  });

  it('let the administrator switch users and keypairs off and on, and change their secrets', async () => {
    const admin = makeCli({ url: service.url, home: dir.path, keypair: service.admin });
    const { email, keypair } = await createUser(service, 'carla');
    const carla = makeCli({ url: service.url, home: join(dir.path, 'carla'), keypair });
    const shown = async () => JSON.parse((await admin(['admin', 'users', 'show', email, '--json'])).stdout);
    expect(await shown()).toMatchObject({ email, role: 'user', is_active: true, keypairs: 1 });
    expect(await admin(['admin', 'users', 'deactivate', email])).toMatchObject({ code: 0 });
    expect(await carla(['ls'])).toMatchObject({ code: 4 });
    const names = async (state: string) =>
      (await admin(['admin', 'users', 'ls', '--state', state, '--text', 'CARLA', '-o', 'name'])).stdout;
    expect([await names('inactive'), await names('active')]).toEqual([`${email}\n`, '']);
    expect(await admin(['admin', 'users', 'activate', email])).toMatchObject({ code: 0 });
    expect(await admin(['admin', 'users', 'role', email, 'admin'])).toMatchObject({ code: 0 });
    expect(await carla(['admin', 'users'])).toMatchObject({ code: 0 });
    expect(await admin(['admin', 'users', 'role', email, 'root'])).toMatchObject({ code: 2 });
    const { accessKey } = keypair;
    expect(await admin(['admin', 'keypairs', 'deactivate', accessKey])).toMatchObject({ code: 0 });
    expect(await carla(['whoami'])).toMatchObject({ code: 4 });
    expect(await admin(['admin', 'keypairs', 'activate', accessKey])).toMatchObject({ code: 0 });
    const rotated = JSON.parse((await admin(['admin', 'keypairs', 'rotate', accessKey, '--json'])).stdout);
    expect(await carla(['whoami'])).toMatchObject({ code: 4 });
    const renewed = makeCli({
      url: service.url,
      home: join(dir.path, 'carla'),
      keypair: { accessKey, secretKey: rotated.secret_key },
    });
    expect(await renewed(['whoami', '-o', 'name'])).toMatchObject({ code: 0, stdout: `${email}\n` });
    expect(await admin(['admin', 'keypairs', 'rm', accessKey])).toMatchObject({ code: 2 });
    expect(await admin(['admin', 'keypairs', 'rm', accessKey, '--yes'])).toMatchObject({ code: 0 });
    expect((await admin(['admin', 'keypairs', 'ls', email, '-o', 'name'])).stdout).toBe('');
  });

  it('let the administrator set limits of users and folders', async () => {
    const admin = makeCli({ url: service.url, home: dir.path, keypair: service.admin });
    const { email, keypair } = await createUser(service, 'dora');
    const dora = makeCli({ url: service.url, home: join(dir.path, 'dora'), keypair });
    expect(
      await admin(['admin', 'policies', 'create', 'small', '--bytes', '1.5K', '--files', '3']),
    ).toMatchObject({
      code: 0,
    });
    expect(await admin(['admin', 'users', 'policy', email, 'small'])).toMatchObject({ code: 0 });
    await dora(['create', 'limited']);
    const id = (await admin(['admin', 'quota', 'ls', email, '-o', 'name'])).stdout.trim();
    const shown = JSON.parse((await admin(['admin', 'quota', 'show', id, '--json'])).stdout);
    expect(shown).toMatchObject({ name: 'limited', quota_bytes: 1_536, quota_files: 3 });
    expect(await admin(['admin', 'quota', 'set', id, '--bytes', '2'])).toMatchObject({ code: 0 });
    expect(await dora(['put', '-', 'limited:a'], 'three')).toMatchObject({ code: 7 });
    expect(await admin(['admin', 'quota', 'set', id, '--bytes', '1G'])).toMatchObject({ code: 0 });
    expect(await dora(['put', '-', 'limited:a'], 'three')).toMatchObject({ code: 0 });
    expect(await admin(['admin', 'quota', 'set', id])).toMatchObject({ code: 2 });
    expect(await admin(['admin', 'quota', 'set', id, '--bytes', '1X'])).toMatchObject({ code: 2 });
    expect(await admin(['admin', 'policies', 'rm', 'small', '--yes'])).toMatchObject({ code: 6 });
    expect(await admin(['admin', 'policies', 'set', 'small', '--folders', '5'])).toMatchObject({ code: 0 });
    const audit = await admin([
      'admin',
      'audit',
      '--folder',
      id,
      '--since',
      '1h',
      '-o',
      'jsonl',
      '--limit',
      '1',
    ]);
    expect(JSON.parse(audit.stdout)).toMatchObject({
      action: 'quota.change',
      details: { quota_bytes: 1024 ** 3 },
    });
    expect(await admin(['admin', 'audit', '--since', 'whenever'])).toMatchObject({ code: 2 });
    expect((await admin(['admin', 'policies', '-o', 'name'])).stdout).toBe('default\nsmall\n');
  });

  it('keeps profiles for nobody else to read, and sends their secrets nowhere else', async () => {
    const home = join(dir.path, 'carl');
    await mkdir(home);
    const { accessKey, secretKey } = service.admin;
    const carl = makeCli({ url: '', home });
    const login = ['login', service.url, '--access-key', accessKey, '--secret-key-stdin'];
    expect(await carl(login, 'wrong wrong wrong wrong')).toMatchObject({ code: 4 });
    expect(await carl(login, `${secretKey}\n`)).toMatchObject({ code: 0, stdout: '' });
    const path = join(home, '.config', 'vfolder', 'config.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await carl(['whoami', '--json'])).stdout).not.toContain(secretKey);
    expect((await carl(['ls'])).code).toBe(0);
    expect((await carl(['ls', '--url', service.url.replace('127.0.0.1', 'localhost')])).code).toBe(4);
    expect(await carl(['logout'])).toMatchObject({ code: 0 });
    await chmod(path, 0o600);
    expect((await carl(['ls', '--url', service.url])).code).toBe(4);
  });

  it('completes commands, options, folders and paths', async () => {
    const complete = async (...words: string[]) => (await ada(['__complete', '--', ...words])).stdout;
    await ada(['create', 'completed']);
    await ada(['mkdir', '-p', 'completed:in/here']);
    expect(await complete('jo')).toBe('jobs\n');
    expect(await complete('jobs', 'w')).toBe('watch\n');
    expect(await complete('put', '--rec')).toBe('--recursive\n');
    expect(await complete('ls', 'compl')).toBe('completed:\n');
    expect(await complete('ls', 'completed:i')).toBe('completed:in/\n');
  });
});
