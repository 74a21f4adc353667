import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliStage, openCliStage } from './cli-stage.ts';
import { makeCli } from './run-cli.ts';

let stage: CliStage;

beforeAll(async () => {
  stage = await openCliStage();
  const { ada, dir } = stage;
  const file = join(dir.path, 'file.txt');
  await writeFile(file, 'content');
  await ada(['create', 'data']);
  await ada(['put', file, 'data:out/file.txt']);
  await ada(['mkdir', 'data:in']);
}, 120_000);
afterAll(() => stage?.close());

const pathOf = (url: string) => new URL(url.trim()).pathname;

describe('vfolder link', () => {
  it('makes links whose address alone goes to a script, lists them, and revokes them', async () => {
    const { ada, service } = stage;
    const bearer = service.client();
    const down = await ada([
      'link',
      'create',
      'data:out/file.txt',
      '--expires',
      '2d',
      '--max',
      '1',
      '-o',
      'name',
    ]);
    expect(down).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^http:.*\/l\/vf_lnk_[\w-]{49}\n$/),
    });
    expect((await bearer.call('GET', pathOf(down.stdout))).text).toBe('content');
    const up = JSON.parse((await ada(['link', 'create', 'data:in', '--upload', '--json'])).stdout);
    expect(up).toMatchObject({ kind: 'upload', path: 'in', max_uses: null, has_password: false });
    expect((await bearer.call('PUT', `${pathOf(up.url)}/new`, { body: 'x' })).status).toBe(201);
    expect((await ada(['cat', 'data:in/new'])).stdout).toBe('x');
    const table = (await ada(['link'])).stdout.split('\n');
    expect(table[1]).toMatch(/ upload +active +1 .* data:in$/);
    expect(table[2]).toMatch(/ download +used_up +1 of 1 .* data:out\/file\.txt$/);
    const ids = (await ada(['link', 'ls', 'data:', '-o', 'name'])).stdout.trim().split('\n');
    expect(ids).toHaveLength(2);
    expect(await ada(['link', 'rm', ...ids, 'none'])).toMatchObject({ code: 8 });
    expect((await ada(['link', 'ls', '-o', 'name'])).stdout).toBe('');
    expect((await bearer.call('PUT', `${pathOf(up.url)}/more`, { body: 'x' })).status).toBe(404);
  });

  it('reads a password from standard input, never from an argument', async () => {
    const { ada, service } = stage;
    const made = await ada(
      ['link', 'create', 'data:out', '--password-stdin', '-o', 'name'],
      'correct horse\n',
    );
    const path = pathOf(made.stdout);
    expect((await service.client().call('GET', path)).status).toBe(401);
    const headers = { Authorization: `Basic ${Buffer.from('x:correct horse').toString('base64')}` };
    expect((await service.client().call('GET', path, { headers })).status).toBe(200);
    expect(await ada(['link', 'create', 'data:out', '--password'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--password-stdin'),
    });
  });

  it('lists and revokes the links of everybody for administrators', async () => {
    const { ada, service, dir } = stage;
    const admin = makeCli({ url: service.url, home: dir.path, keypair: service.admin });
    const made = JSON.parse((await ada(['link', 'create', 'data:out', '--json'])).stdout);
    const listed = await admin([
      'admin',
      'links',
      '--user',
      made.made_by,
      '--folder',
      made.folder,
      '-o',
      'name',
    ]);
    expect(listed.stdout.split('\n')).toContain(made.id);
    expect((await admin(['admin', 'links', 'ls', '--json'])).stdout).toContain(made.id);
    expect(await ada(['admin', 'links'])).toMatchObject({ code: 4, stdout: '' });
    expect(await admin(['admin', 'links', 'rm', made.id])).toMatchObject({ code: 0 });
    expect((await admin(['admin', 'links', '-o', 'name'])).stdout).not.toContain(made.id);
  });

  it('refuses what makes no sense, and what is not there', async () => {
    const { ada } = stage;
    expect(await ada(['link', 'create', 'data:none'])).toMatchObject({ code: 3 });
    expect(await ada(['link', 'create', 'data:out', '--max', '0'])).toMatchObject({ code: 2 });
    expect(await ada(['link', 'create', 'data:out', '--expires', 'soon'])).toMatchObject({ code: 2 });
    expect(await ada(['link', 'create', './local'])).toMatchObject({ code: 2 });
  });
});
