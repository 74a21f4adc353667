import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createUser } from '../support/users.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
let dir: TempDir;
let ada: Cli;
let admin: Cli;
let data: string;

beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  dir = await createTempDir();
  const { keypair } = await createUser(service);
  ada = makeCli({ url: service.url, home: join(dir.path, 'ada'), keypair });
  admin = makeCli({ url: service.url, home: join(dir.path, 'admin'), keypair: service.admin });
  const { stdout } = await ada(['create', 'data', '--json']);
  data = join(folderDir(service.volumeRoot, JSON.parse(stdout).id), 'data');
  await mkdir(join(data, 'logs', 'old'), { recursive: true });
  await mkdir(join(data, 'empty'));
  await writeFile(join(data, 'a.csv'), 'x'.repeat(2_000));
  await writeFile(join(data, 'logs', 'b.csv'), 'x');
  await writeFile(join(data, 'logs', 'old', 'c[1].log'), '');
  await writeFile(join(data, 'logs', 'new\nline'), 'x');
  await utimes(join(data, 'logs', 'old', 'c[1].log'), new Date(), new Date('2020-01-01'));
  await symlink('/etc', join(data, 'logs', 'link'));
});
afterAll(async () => {
  await service.stop();
  await dir.remove();
});

const found = async (...args: string[]): Promise<string[]> =>
  (await ada(['find', ...args])).stdout.split('\n').slice(0, -1);

it('find prints what has every property that is asked for', async () => {
  expect(await found('data:', '--name', '*.csv')).toEqual(['data:a.csv', 'data:logs/b.csv']);
  expect(await found('data:logs', '--name', '*.csv')).toEqual(['data:logs/b.csv']);
  expect(await found('data:', '--type', 'd')).toEqual(['data:empty', 'data:logs', 'data:logs/old']);
  expect(await found('data:', '--larger', '1K')).toEqual(['data:a.csv']);
  expect(await found('data:', '--smaller', '1', '--type', 'f')).toEqual(['data:logs/old/c[1].log']);
  expect(await found('data:', '--older', '2021-01-01')).toEqual(['data:logs/old/c[1].log']);
  expect(await found('data:', '--newer', '1h', '--name', '[ab]*', '--type', 'f')).toEqual([
    'data:a.csv',
    'data:logs/b.csv',
  ]);
  expect(await found('data:', '--name', 'c\\[1].log')).toEqual(['data:logs/old/c[1].log']);
  expect(await found('data:', '--name', 'nothing')).toEqual([]);
});

it('find names links and follows none, and gives machines every name as it is', async () => {
  const { stdout } = await ada(['find', 'data:', '-o', 'jsonl']);
  const items = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(items.find(({ path }) => path === 'logs/link')).toMatchObject({ type: 'other', reason: 'symlink' });
  expect(items.map(({ path }) => path)).toContain('logs/new\nline');
  expect(items).toHaveLength(8);
  expect(JSON.parse((await ada(['find', 'data:', '-o', 'json'])).stdout)).toEqual(items);
  expect((await ada(['find', 'data:empty', '--json'])).stdout).toBe('[]\n');
});

it('find refuses what it does not understand', async () => {
  expect(await ada(['find', 'data:', '--type', 'x'])).toMatchObject({ code: 2, stdout: '' });
  expect(await ada(['find', 'data:', '--larger', 'big'])).toMatchObject({ code: 2 });
  expect(await ada(['find', 'data:', '--newer', 'soon'])).toMatchObject({ code: 2 });
  expect(await ada(['find', 'data:', '--name', '[a'])).toMatchObject({ code: 2 });
  expect(await ada(['find', 'data:missing'])).toMatchObject({ code: 3, stdout: '' });
  expect(await ada(['find', 'none:'])).toMatchObject({ code: 3 });
});

it('tree draws directories as deep as asked for, and nothing that would move the cursor', async () => {
  expect((await ada(['tree', 'data:'])).stdout).toBe(`data:
├── a.csv
├── empty/
└── logs/
    ├── b.csv
    ├── link
    ├── new\\u000aline
    └── old/
        └── c[1].log

3 directories, 5 files
`);
  expect((await ada(['tree', 'data:', '-L', '1'])).stdout).toBe(`data:
├── a.csv
├── empty/
└── logs/

2 directories, 1 file
`);
  const { stdout } = await ada(['tree', 'data:logs', '-o', 'json']);
  expect(JSON.parse(stdout)).toHaveLength(5);
  expect(await ada(['tree', 'data:a.csv'])).toMatchObject({ code: 3 });
  expect(await ada(['tree', 'data:', '-L', '0'])).toMatchObject({ code: 2 });
});

it('create gives a folder its limits when an administrator asks, and else makes none', async () => {
  expect(await ada(['create', 'mine', '--quota', '10G'])).toMatchObject({ code: 4, stdout: '' });
  expect((await ada(['create', 'mine', '--quota', '10G', '--json'])).stderr).toContain('"admin_required"');
  expect((await ada(['ls', '-o', 'name'])).stdout).toBe('data\n');
  const made = await admin(['create', 'ours', '--quota', '1.5K', '--quota-files', '2', '--json']);
  expect(JSON.parse(made.stdout)).toMatchObject({ name: 'ours', quota_bytes: 1_536, quota_files: 2 });
  expect(await admin(['put', '-', 'ours:a'], 'x'.repeat(1_537))).toMatchObject({ code: 7 });
  expect(await admin(['create', 'more', '--quota', 'much'])).toMatchObject({ code: 2 });
  expect((await admin(['ls', '-o', 'name'])).stdout).toBe('ours\n');
});
