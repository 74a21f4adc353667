import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findEmbeddedPostgres } from '../../runtime/embedded-postgres.ts';
import { eventually } from '../support/eventually.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { processesOf, type Service, startService } from './fixtures/start.ts';

let dir: TempDir;
let dataDir: string;

async function makeDir(): Promise<void> {
  dir = await createTempDir();
  dataDir = join(dir.path, 'data');
}

async function removeDir(): Promise<void> {
  for (const pid of await processesOf(dataDir)) process.kill(pid, 'SIGKILL');
  await eventually(async () => expect(await processesOf(dataDir)).toEqual([]));
  await dir.remove();
}

describe('a running service', () => {
  let service: Service;
  let url: string;

  beforeAll(async () => {
    await makeDir();
    service = startService(dataDir);
    [, url = ''] = await service.printed(/ready at (http:\/\/127\.0\.0\.1:\d+)/);
  });

  afterAll(removeDir);

  const apiPid = async () => Number((await (await fetch(url)).text()).split(' ')[0]);

  it('prints its first keypair and keeps it for its owner only', async () => {
    const path = join(dataDir, 'admin-keypair.json');
    const kept = JSON.parse(await readFile(path, 'utf8'));
    expect(kept).toEqual({
      email: 'admin@vfolder.local',
      access_key: expect.stringMatching(/^[A-Z2-7]{20}$/),
      secret_key: expect.stringMatching(/^[A-Za-z0-9]{40}$/),
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(service.output()).toContain(`access key  ${kept.access_key}`);
    expect(service.output()).toContain(`secret key  ${kept.secret_key}`);
    expect(service.output()).toMatch(/Ctrl-C/);
  });

  it('gives its programs the embedded database', async () => {
    const answer = await (await fetch(url)).text();
    expect(answer.split(' ')[2]).toBe(await findEmbeddedPostgres(dataDir));
  });

  it('starts API and workers again when they are killed', async () => {
    const before = await apiPid();
    process.kill(before, 'SIGKILL');
    const after = await eventually(apiPid);
    expect(after).not.toBe(before);
    await service.printed(/The API ended \(signal SIGKILL\) and is started again/);

    const all = await processesOf(dataDir);
    const programs = await Promise.all(all.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
    const worker = all.find((_, index) => programs[index]?.includes('fixtures/worker.ts'));
    process.kill(Number(worker), 'SIGKILL');
    await service.printed(/The worker \d ended \(signal SIGKILL\) and is started again/);
    await eventually(async () => expect(await processesOf(dataDir)).toHaveLength(all.length));
  });

  it('starts the database again when it is killed, at the same url', async () => {
    const before = await findEmbeddedPostgres(dataDir);
    const pid = Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);
    process.kill(pid, 'SIGKILL');
    await eventually(async () => {
      const [now] = (await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n');
      expect(Number(now)).not.toBe(pid);
      expect(await findEmbeddedPostgres(dataDir)).toBe(before);
    });
  });

  it('refuses a second start on its data with 2 and one sentence', async () => {
    const second = startService(dataDir);
    expect(await second.exited).toBe(2);
    expect(second.output()).toBe(
      `vfolder: Another "npm start" (process ${service.child.pid}) runs on ${dataDir}: stop it, or set VFOLDER_DATA_DIR to another directory.\n`,
    );
    expect((await fetch(url)).status).toBe(200);
  });

  it('ends with 0 on Ctrl-C, even when npm passes it on once more, and leaves no process', async () => {
    service.child.kill('SIGINT');
    service.child.kill('SIGINT');
    expect(await service.exited).toBe(0);
    expect(service.output()).toMatch(/Stopping …\nStopped\.\n$/);
    expect(await processesOf(dataDir)).toEqual([]);
  });

  it('finds everything again, and tells where the keypair is instead of showing it', async () => {
    const again = startService(dataDir);
    await again.printed(/ready at/);
    const kept = JSON.parse(await readFile(join(dataDir, 'admin-keypair.json'), 'utf8'));
    expect(again.output()).toContain(`keypair is in ${join(dataDir, 'admin-keypair.json')}`);
    expect(again.output()).not.toContain(kept.secret_key);
    again.child.kill('SIGKILL');
    await again.exited;
  });

  it('takes all its processes along when it is killed itself', async () => {
    await eventually(async () => expect(await processesOf(dataDir)).toEqual([]));
  });
});

describe('a service that cannot start', () => {
  beforeEach(makeDir);
  afterEach(removeDir);

  it('says that the port is taken, before anything is made', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const service = startService(dataDir, { env: { PORT: port } });
    expect(await service.exited).toBe(2);
    expect(service.output()).toBe(
      `vfolder: PORT ${port} is in use on 127.0.0.1: set PORT to another number, or to 0 for any free one.\n`,
    );
    await expect(stat(join(dataDir, 'postgres'))).rejects.toThrow('ENOENT');
    await new Promise((resolve) => other.close(resolve));
  });

  it('ends with 2 when a program refuses its settings, and leaves no process', async () => {
    const service = startService(dataDir, { args: ['api', 'refusing'] });
    expect(await service.exited).toBe(2);
    expect(service.output()).toMatch(
      /the fixture refuses\.\n(.*\n)*vfolder: The worker \d did not start \(exit code 2\)/,
    );
    expect(await processesOf(dataDir)).toEqual([]);
  });

  it('ends with 2 and one sentence when the database cannot be reached', async () => {
    const service = startService(dataDir, { env: { DATABASE_URL: 'postgres://u:geheim@127.0.0.1:1/d' } });
    expect(await service.exited).toBe(2);
    expect(service.output()).toMatch(
      /^vfolder: The database of DATABASE_URL cannot be used \(ECONNREFUSED\): .*\n$/,
    );
    expect(service.output()).not.toContain('geheim');
  });

  it('stops cleanly when asked in the middle of its start', async () => {
    const service = startService(dataDir);
    await service.printed(/Making the database/);
    service.child.kill('SIGTERM');
    expect(await service.exited).toBe(0);
    expect(await processesOf(dataDir)).toEqual([]);
  });
});
