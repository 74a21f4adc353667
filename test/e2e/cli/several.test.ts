import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser } from '../support/users.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let admin: Cli;
let ada: Cli;
let adaEmail: string;
let bobEmail: string;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  const [one, two] = await Promise.all([createUser(service), createUser(service)]);
  admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
  ada = makeCli({ url: service.url, home: join(dir.path, 'ada'), keypair: one.keypair });
  adaEmail = one.email;
  bobEmail = two.email;
  await ada(['create', 'data']);
  await ada(['mkdir', '-p', 'data:dir/below']);
}, 120_000);
afterAll(async () => {
  await service?.stop();
  await dir?.remove();
});

describe('a command on several items', () => {
  it('goes on after a failure, names it, and ends with 8', async () => {
    const queues = await admin(['admin', 'queues', 'pause', 'none', 'archive.local', 'copy.local']);
    expect(queues).toMatchObject({
      code: 8,
      stderr: expect.stringMatching(/^none: .+\nvfolder: 1 of 3 failed\.\n$/),
    });
    const shown = (await admin(['admin', 'queues'])).stdout;
    expect(shown).toMatch(/archive\.local .* paused\n(.*\n)*.*copy\.local .* paused/);
    await admin(['admin', 'queues', 'resume', 'archive.local', 'copy.local']);
    const made = await ada(['mkdir', 'data:m1', 'data:no/way', 'data:m2']);
    expect(made).toMatchObject({ code: 8, stderr: expect.stringMatching(/^data:no\/way: /) });
    expect((await ada(['ls', 'data:'])).stdout).toBe('dir/\nm1/\nm2/\n');
    await ada(['create', 'one']);
    expect(await ada(['rm-folder', '-y', 'gone', 'one'])).toMatchObject({ code: 8 });
    expect((await ada(['ls', '-o', 'name'])).stdout).toBe('data\n');
    const users = await admin(['admin', 'users', 'activate', 'nobody@example.org', adaEmail]);
    expect(users).toMatchObject({ code: 8, stderr: expect.stringContaining('nobody@example.org: ') });
  }, 60_000);

  it('deletes what it can, though the service refuses all for one', async () => {
    await ada(['create', 'old']);
    await ada(['mkdir', '-p', 'old:d/e']);
    for (const name of ['a', 'b', 'c']) await ada(['put', '-', `old:${name}`], name);
    const some = await ada(['rm', 'old:a', 'old:none', 'old:d', 'old:b', 'data:none']);
    expect(some).toMatchObject({ code: 8, stderr: expect.stringMatching(/^old:none: .+\nold:d: .+\n/) });
    expect(some.stderr).toMatch(/\nvfolder: 3 of 5 failed\.\n$/);
    expect((await ada(['ls', 'old:'])).stdout).toBe('c\nd/\n');
    expect(await ada(['rm', '-r', 'old:d', 'old:c'])).toMatchObject({ code: 0, stderr: '' });
    expect(await ada(['rm-folder', '-y', 'old'])).toMatchObject({ code: 0 });
  }, 60_000);

  it('ends with the code of the failure when none worked, and keeps --json one object', async () => {
    expect(await ada(['rm-folder', '-y', 'gone', 'too'])).toMatchObject({ code: 3 });
    const failed = await ada(['stat', 'data:m1', 'data:none', '--json']);
    expect(failed.code).toBe(8);
    expect(JSON.parse(failed.stdout)).toMatchObject([{ path: 'm1', type: 'directory' }]);
    expect(JSON.parse(failed.stderr)).toMatchObject({
      exit_code: 8,
      failed: [{ item: 'data:none', exit_code: 3 }],
    });
  });

  it('does not take an invitation that nobody got for success', async () => {
    expect(await ada(['share', 'data', 'ghost@x.org'])).toMatchObject({ code: 3, stdout: '' });
    const some = await ada(['share', 'data', 'ghost@x.org', bobEmail]);
    expect(some).toMatchObject({ code: 8, stderr: expect.stringContaining('ghost@x.org: ') });
    expect(some.stderr).not.toContain(`${bobEmail}:`);
    expect(await ada(['share', 'data', bobEmail.toUpperCase()])).toMatchObject({ code: 0 });
    expect(await ada(['unshare', 'data', 'ghost@x.org', bobEmail])).toMatchObject({ code: 8 });
    expect((await ada(['shares', 'data', '-o', 'name'])).stdout).toBe('');
  });
});

describe('operators', () => {
  it('have any folder counted by its id, or all of them; owners their own', async () => {
    const { id } = JSON.parse((await ada(['info', 'data', '--json'])).stdout);
    const counted = await admin(['admin', 'usage', 'recount', id, '--json']);
    expect(JSON.parse(counted.stdout)).toMatchObject([{ name: id, drift: { bytes: 0, files: 0 } }]);
    expect(JSON.parse((await admin(['admin', 'usage', 'recount', '--all', '--json'])).stdout)).toMatchObject([
      { name: id },
    ]);
    expect(await ada(['admin', 'usage', 'recount', 'data'])).toMatchObject({ code: 0 });
    expect(await ada(['admin', 'usage', 'recount', id])).toMatchObject({ code: 0 });
    expect(await ada(['admin', 'usage', 'recount', '--all'])).toMatchObject({ code: 4 });
    const audit = await admin(['admin', 'audit', '--folder', id, '--action', 'usage.recount', '-o', 'jsonl']);
    expect(audit.stdout.trim().split('\n')).toHaveLength(2);
  }, 60_000);

  it('limit queues, and are told which volume of a policy is none', async () => {
    const limit = async () => {
      const queues: { queue: string; concurrency: number | null }[] = JSON.parse(
        (await admin(['admin', 'queues', '--json'])).stdout,
      );
      return queues.find(({ queue }) => queue === 'archive.local')?.concurrency;
    };
    expect(await admin(['admin', 'queues', 'limit', 'archive.local', '2'])).toMatchObject({ code: 0 });
    expect(await limit()).toBe(2);
    expect(await admin(['admin', 'queues', 'limit', 'archive.local', 'none'])).toMatchObject({ code: 0 });
    expect(await limit()).toBeNull();
    for (const wrong of ['0', '10001', '1.5', 'many'])
      expect(await admin(['admin', 'queues', 'limit', 'archive.local', wrong])).toMatchObject({ code: 2 });
    const policy = await admin(['admin', 'policies', 'create', 'odd', '--volumes', 'local,fast']);
    expect(policy).toMatchObject({ code: 2, stderr: expect.stringContaining('"fast"') });
  });
});

describe('wrong use', () => {
  it('is told in one sentence, without what may be a secret, before anything is tried', async () => {
    const start = (env: Readonly<Record<string, string>>) =>
      makeCli({ url: service.url, home: dir.path, env });
    const broken = [
      await start({ VFOLDER_TOKEN: 'shh\nshh' })(['whoami']),
      await start({ VFOLDER_ACCESS_KEY: 'shh', VFOLDER_SECRET_KEY: 'shh\u0007' })(['whoami']),
      await start({ VFOLDER_ACCESS_KEY: 'shh鍵', VFOLDER_SECRET_KEY: 'shh' })(['whoami']),
    ];
    for (const run of broken) {
      expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^vfolder: .+\n$/) });
      expect(run.stderr).not.toContain('shh');
    }
    expect(await ada(['ls', '--url', 'garbage'])).toMatchObject({ code: 2 });
    expect(await ada(['login', 'notaurl'])).toMatchObject({ code: 2 });
    expect(await ada(['login', service.url, '--token-stdin'], '\n')).toMatchObject({
      code: 2,
      stderr: 'vfolder: The token is empty.\n',
    });
  });

  it('is an empty argument or value', async () => {
    for (const words of [
      ['admin', 'backup', ''],
      ['token', 'create', ''],
      ['ls', ''],
      ['create', 'x', '--volume', ''],
    ])
      expect(await ada(words)).toMatchObject({ code: 2, stderr: expect.stringContaining('empty') });
    expect((await ada(['token', 'ls', '-o', 'name'])).stdout).toBe('');
  });

  it('is a directory copied without -r', async () => {
    expect(await ada(['cp', 'data:dir', 'data:x'])).toMatchObject({ code: 2 });
    expect(await ada(['cp', '-r', 'data:dir', 'data:x'])).toMatchObject({ code: 0 });
    expect((await ada(['ls', '-R', 'data:x'])).stdout).toBe('below/\n');
  });
});

it('stat shows when a directory was changed, as ls does', async () => {
  const listed = JSON.parse((await ada(['ls', 'data:dir', '-o', 'jsonl'])).stdout);
  const shown = JSON.parse((await ada(['stat', 'data:dir/below', '-o', 'jsonl'])).stdout);
  expect(shown).toMatchObject({ type: 'directory', modified: listed.modified });
});

it('a transfer that is refused before any byte leaves no journal', async () => {
  const file = join(dir.path, 'a.txt');
  await writeFile(file, 'a');
  expect(await ada(['put', file, 'nofolder:'])).toMatchObject({ code: 3 });
  const journals = join(dir.path, 'ada', '.local', 'state', 'vfolder', 'transfers');
  expect(await readdir(journals).catch(() => [])).toEqual([]);
});

it('a file that cannot be written here is named, with the reason', async () => {
  const file = join(dir.path, 'b.txt');
  await writeFile(file, 'b');
  expect(await ada(['put', file, 'data:'])).toMatchObject({ code: 0 });
  const to = '/proc/vfolder-none';
  const { code, stderr } = await ada(['get', 'data:b.txt', to]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(`${to} cannot be written: its directory is not there, or takes no new files.`);
});

it('standard output that takes nothing is a failure, told in a sentence', async () => {
  const full = openSync('/dev/full', 'w');
  try {
    const program = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js');
    const { accessKey, secretKey } = service.admin;
    const env = { VFOLDER_URL: service.url, VFOLDER_ACCESS_KEY: accessKey, VFOLDER_SECRET_KEY: secretKey };
    for (const words of [['--help'], ['admin', 'queues']]) {
      const stdio = ['ignore', full, 'pipe'] as const;
      const child = spawn(process.execPath, [program, ...words], { env, stdio: [...stdio] });
      const exited = new Promise((resolve) => child.once('exit', resolve));
      const told = child.stderr === null ? '' : await text(child.stderr);
      expect([await exited, told]).toEqual([1, 'vfolder: Standard output cannot be written (ENOSPC).\n']);
    }
  } finally {
    closeSync(full);
  }
});
