import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser, type TestUser } from '../support/users.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let admin: Cli;
let ada: Cli;
let user: TestUser;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  user = await createUser(service);
  admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
  ada = makeCli({ url: service.url, home: join(dir.path, 'ada'), keypair: user.keypair });
  await ada(['create', 'My Data']);
  await ada(['create', 'models']);
}, 120_000);
afterAll(async () => {
  await service?.stop();
  await dir?.remove();
});

async function json(cli: Cli, args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await cli([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('mounts on the command line', () => {
  it('begin, are listed, renewed, shown and ended', async () => {
    const begun = await json(ada, ['mounts', 'begin', 'job-1', 'models', 'My Data:data', '--lease', '2m']);
    expect(begun).toMatchObject({
      session: 'job-1',
      lease_seconds: 120,
      mounts: [{ target: '/home/work/models' }, { name: 'My Data', target: '/home/work/data' }],
    });
    expect(await json(ada, ['mounts'])).toMatchObject([{ session: 'job-1' }]);
    expect((await ada(['mounts', 'ls'])).stdout).toMatch(/job-1 .* models rw, My Data:data rw\n$/);
    expect((await ada(['mounts', 'show', 'job-1'])).stdout).toContain(textAt(begun, 'mounts', 1, 'source'));
    const renewed = await json(ada, ['mounts', 'renew', 'job-1', '--lease', '1h']);
    expect(renewed).toMatchObject({ lease_seconds: 3_600 });

    expect(await ada(['rm-folder', '-y', 'models'])).toMatchObject({ code: 6 });
    expect(await ada(['rm-folder', '-y', '--force', 'models'])).toMatchObject({ code: 0 });
    expect((await ada(['mounts', 'show', 'job-1'])).stdout).toContain('models rw revoked');
    expect(await ada(['mounts', 'end', 'job-1'])).toMatchObject({ code: 0 });
    expect(await ada(['mounts', 'end', 'job-1'])).toMatchObject({ code: 3 });
    expect(await ada(['mounts', 'renew', 'job-1'])).toMatchObject({ code: 3 });
    expect(await ada(['mounts', 'begin', 'job-1', 'none'])).toMatchObject({ code: 3 });
    expect(await ada(['mounts', 'begin', 'job-1', 'My Data:.ssh'])).toMatchObject({ code: 2 });
  }, 60_000);

  it('print the line of fstab that binds a folder', async () => {
    const mounted = await ada(['mount', 'My Data', '/mnt/my data', '--session', 'host-1', '--read-only']);
    expect(mounted.code, mounted.stderr).toBe(0);
    const [source, target, ...rest] = mounted.stdout.split(' ');
    expect(source).toMatch(/^\/.+\/f\/[0-9a-f]{2}\/[0-9a-f]{2}\/[0-9a-f-]{36}\/data$/);
    expect([target, ...rest].join(' ')).toBe('/mnt/my\\040data none bind,nosuid,nodev,ro 0 0\n');
    expect(mounted.stderr).toContain('vfolder mounts renew host-1');
    const made = await ada(['mount', 'My Data', '/mnt/x', '-o', 'name', '-q']);
    expect(made).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^mount-[0-9a-f]{12}\n$/),
    });
    expect(await ada(['mounts', 'end', 'host-1', made.stdout.trim()])).toMatchObject({ code: 0 });
  }, 60_000);

  it('of everybody are for operators to see and to end', async () => {
    await json(ada, ['mounts', 'begin', 'job-2', 'My Data']);
    expect(await ada(['admin', 'mounts'])).toMatchObject({ code: 4 });
    const found = await json(admin, ['admin', 'mounts', 'ls', '--user', user.email, '--volume', 'local']);
    expect(found).toMatchObject([{ session: 'job-2', user_email: user.email }]);
    expect((await admin(['admin', 'mounts'])).stdout).toContain('job-2');
    const id = textAt(found, 0, 'id');
    expect(await admin(['admin', 'mounts', 'end', id])).toMatchObject({ code: 0 });
    expect(await admin(['admin', 'mounts', 'end', id])).toMatchObject({ code: 3 });
    expect(await json(ada, ['mounts'])).toEqual([]);
  }, 60_000);
});
