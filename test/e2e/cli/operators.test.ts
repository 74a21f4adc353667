import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { listAt, textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let admin: Cli;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
});
afterAll(async () => {
  await service?.stop();
  await dir?.remove();
});

async function printed(args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await admin([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('operators', () => {
  it('drain a worker, see that it is, and let it go on', async () => {
    const id = textAt(listAt(await printed(['admin', 'workers'])), 0, 'id');
    const state = async () => textAt(await printed(['admin', 'workers', 'ls']), 0, 'state');
    expect((await admin(['admin', 'workers', 'drain', id])).code).toBe(0);
    await eventually(async () => expect(await state()).toBe('drained'));
    expect((await admin(['admin', 'workers', 'undrain', id])).code).toBe(0);
    await eventually(async () => expect(await state()).toBe('active'));
    expect(await printed(['admin', 'audit', '--subject', id])).toMatchObject([
      { action: 'worker.resume' },
      { action: 'worker.drain', subject: id, details: { before: { is_draining: false } } },
    ]);
    const nobody = '01890000-0000-7000-8000-000000000000';
    expect((await admin(['admin', 'workers', 'drain', nobody])).code).toBe(3);
  });

  it('set the state of a volume, see it, and are told what is no state and no volume', async () => {
    expect(await printed(['admin', 'volumes'])).toMatchObject([{ name: 'local', state: 'active' }]);
    const closed = await printed(['admin', 'volumes', 'set', 'local', '--state', 'read-only']);
    expect(closed).toMatchObject({ name: 'local', state: 'read_only' });
    const refused = await admin(['create', 'impossible', '--volume', 'local']);
    expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining('read-only')]);
    expect((await admin(['admin', 'status'])).stdout).toMatch(/volume local +read_only/);
    const shown = await admin(['admin', 'volumes', 'show', 'local']);
    expect(shown.stdout).toMatch(/state +read_only since \d{4}-/);
    expect(await printed(['admin', 'volumes', 'set', 'local', '--state', 'active'])).toMatchObject({
      state: 'active',
    });
    expect((await admin(['create', 'possible'])).code).toBe(0);
    expect((await admin(['admin', 'volumes', 'set', 'local', '--state', 'shut'])).code).toBe(2);
    expect((await admin(['admin', 'volumes', 'set', 'local'])).code).toBe(2);
    expect((await admin(['admin', 'volumes', 'show', 'none'])).code).toBe(3);
  });
});
