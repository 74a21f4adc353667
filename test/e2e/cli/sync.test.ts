import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createUser } from '../support/users.ts';
import { type CliStage, openCliStage } from './cli-stage.ts';
import { untilUploadNoted } from './journals.ts';
import { sumsOf, writeTree } from './local-trees.ts';
import { makeCli } from './run-cli.ts';

let stage: CliStage;
let dir: CliStage['dir'];
let ada: CliStage['ada'];
let count = 0;
/** A folder, and where its files lie. */
let folder: string;
let data: string;
let local: string;

beforeAll(async () => {
  stage = await openCliStage();
  ({ dir, ada } = stage);
});
afterAll(() => stage.close());

beforeEach(async () => {
  count += 1;
  folder = `folder ${count}`;
  data = join(await stage.makeFolder(folder), 'data');
  local = join(dir.path, folder);
});

const nasty = {
  'plain.txt': 'plain',
  ' lead and trail ': 'spaces',
  'sub dir/ünï 名前 😀.txt': 'unicode',
  'sub dir/-rf': 'option',
  'sub dir/100% "q" it\'s +1 & 2?#.bin': 'signs',
  'sub dir/deep/er/x': '',
  'sub dir/.hidden': 'hidden',
  'a:b': 'colon',
  large: randomBytes(20_000_000),
};

const run = async (...args: string[]) => {
  const result = await ada(['sync', ...args, '--json']);
  return { ...result, summary: result.stdout === '' ? {} : JSON.parse(result.stdout) };
};
const dry = async (...args: string[]) =>
  (await ada(['sync', ...args, '--dry-run'])).stdout.split('\n').slice(0, -1);
const textOf = (path: string) => readFile(path, 'utf8');

describe('from this machine', () => {
  it('brings what is new or differs, byte for byte, and then nothing', async () => {
    await writeTree(local, nasty);
    await mkdir(join(local, 'empty', 'inner'), { recursive: true });
    await symlink('/etc/passwd', join(local, 'link'));
    const first = await run(local, `${folder}:in/it`);
    expect(first).toMatchObject({ code: 0, summary: { files: 9, unchanged: 0, failed: [] } });
    expect(first.stderr).toContain('link is neither a file nor a directory');
    expect(await sumsOf(join(data, 'in', 'it'))).toEqual(await sumsOf(local));
    expect(await readdir(join(data, 'in', 'it', 'empty'))).toEqual(['inner']);
    expect((await run(local, `${folder}:in/it`)).summary).toMatchObject({ files: 0, unchanged: 9 });
    expect(await dry(local, `${folder}:in/it`, '--delete')).toEqual([]);
    // The same size, and a time before that of the upload: only the content tells.
    await writeFile(join(local, 'plain.txt'), 'PLAIN');
    await utimes(join(local, 'plain.txt'), new Date(), new Date('2020-01-01'));
    await writeFile(join(local, 'a:b'), 'longer than before');
    expect(await dry(local, `${folder}:in/it`)).toEqual([
      `replace ${join(local, 'a:b')} -> ${folder}:in/it/a:b`,
      `replace ${join(local, 'plain.txt')} -> ${folder}:in/it/plain.txt`,
    ]);
    expect((await run(local, `${folder}:in/it`)).summary).toMatchObject({ files: 2, unchanged: 7 });
    expect(await textOf(join(data, 'in', 'it', 'plain.txt'))).toBe('PLAIN');
  });

  it('deletes what the source lacks when asked to, inside the target and nowhere else', async () => {
    await writeTree(local, { keep: '1', 'd/new': '2' });
    await writeTree(data, {
      outside: 'x',
      'in/keep': '1',
      'in/old/a': 'x',
      'in/old/b/c': 'x',
      'in/d/old': 'x',
    });
    expect((await run(local, `${folder}:in`)).summary).not.toHaveProperty('deleted');
    expect(await dry(local, `${folder}:in`, '--delete')).toEqual([
      `delete ${folder}:in/d/old`,
      `delete ${folder}:in/old/`,
    ]);
    expect((await run(local, `${folder}:in`, '--delete')).summary).toMatchObject({ deleted: 2 });
    expect(Object.keys(await sumsOf(data))).toEqual(['in/d/new', 'in/keep', 'outside']);
  });

  it('deletes nothing unless everything was transferred', async () => {
    await writeTree(local, { good: '1', 'bad\u0001name': '2' });
    await writeTree(data, { old: 'x' });
    const partly = await run(local, `${folder}:`, '--delete');
    expect(partly).toMatchObject({ code: 8, summary: { files: 1, deleted: 0, failed: [{}] } });
    expect(partly.stderr).toContain('Nothing is deleted');
    expect(Object.keys(await sumsOf(data))).toEqual(['good', 'old']);
    await unlink(join(local, 'bad\u0001name'));
    expect(await run(local, `${folder}:`, '--delete')).toMatchObject({ code: 0, summary: { deleted: 1 } });
  });

  it('refuses to delete, before anything is changed, where that is not permitted', async () => {
    const { keypair, email } = await createUser(stage.service);
    const bob = makeCli({ url: stage.service.url, home: join(dir.path, 'bob'), keypair });
    await ada(['share', folder, email, '--perm', 'rw']);
    await bob(['invites', 'accept', (await bob(['invites', '-o', 'name'])).stdout.trim()]);
    await writeTree(local, { a: '1' });
    await writeTree(data, { old: 'x' });
    expect(await bob(['sync', local, `${folder}:`, '--delete'])).toMatchObject({ code: 4, stdout: '' });
    expect(Object.keys(await sumsOf(data))).toEqual(['old']);
    expect(await bob(['sync', local, `${folder}:`])).toMatchObject({ code: 0 });
    expect(Object.keys(await sumsOf(data))).toEqual(['a', 'old']);
  });

  it('takes nothing of another kind out of the way', async () => {
    await writeTree(local, { a: 'file', 'b/c': 'in a directory', good: '1' });
    await writeTree(data, { 'a/x': 'in a directory', b: 'file' });
    const partly = await run(local, `${folder}:`, '--delete');
    expect(partly).toMatchObject({ code: 8, summary: { files: 1, deleted: 0, failed: { length: 2 } } });
    expect(Object.keys(await sumsOf(data))).toEqual(['a/x', 'b', 'good']);
  });

  it('compares contents the service has no sum of only when it may read them', async () => {
    await writeTree(local, { a: 'same' });
    await utimes(join(local, 'a'), new Date(), new Date('2020-01-01'));
    await writeTree(data, { a: 'same' });
    expect(await dry(local, `${folder}:`)).toHaveLength(1);
    expect(await dry(local, `${folder}:`, '--checksum')).toEqual([]);
    // The same time, and yet another content.
    const { mtime } = await stat(join(data, 'a'));
    await writeFile(join(local, 'a'), 'else');
    await utimes(join(local, 'a'), mtime, mtime);
    expect(await dry(local, `${folder}:`)).toEqual([]);
    expect(await dry(local, `${folder}:`, '--checksum')).toHaveLength(1);
  });

  it('goes on after an interruption when the same command is given again', async () => {
    await writeTree(local, { large: randomBytes(80_000_000), small: 'x', old: 'x' });
    const first = ada.start(['sync', local, `${folder}:`]);
    await untilUploadNoted(stage.home);
    first.interrupt();
    expect((await first.done).code).toBe(130);
    await rm(join(local, 'old'));
    expect(await run(local, `${folder}:`, '--delete')).toMatchObject({ code: 0 });
    expect(await sumsOf(data)).toEqual(await sumsOf(local));
  }, 120_000);
});

describe('to this machine', () => {
  it('brings what is new or differs with its time, and then nothing', async () => {
    await writeTree(data, nasty);
    await mkdir(join(data, 'empty', 'inner'), { recursive: true });
    expect(await run(`${folder}:`, local)).toMatchObject({ code: 0, summary: { files: 9 } });
    expect(await sumsOf(local)).toEqual(await sumsOf(data));
    expect(await readdir(join(local, 'empty'))).toEqual(['inner']);
    expect((await run(`${folder}:`, local)).summary).toMatchObject({ files: 0, unchanged: 9 });
    // There and back again: nothing is new on either side.
    expect((await run(local, `${folder}:`)).summary).toMatchObject({ files: 0, unchanged: 9 });
    await writeFile(join(data, 'plain.txt'), 'PLAIN');
    await writeFile(join(local, 'a:b'), 'COLON');
    expect((await run(`${folder}:`, local)).summary).toMatchObject({ files: 2, unchanged: 7 });
    expect(await sumsOf(local)).toEqual(await sumsOf(data));
  });

  it('deletes what the source lacks, and neither follows links nor removes them', async () => {
    const outside = join(dir.path, `${folder} outside`);
    await writeTree(outside, { x: 'mine', passwd: 'mine' });
    await writeTree(local, { 'old/a': 'x', 'old/b/c': 'x', 'held/a': 'x', keep: '1' });
    await symlink(outside, join(local, 'linked'));
    await symlink(outside, join(local, 'held', 'link'));
    await writeTree(data, { keep: '1', 'linked/x': 'written through a link?', 'linked/y': '' });
    const partly = await run(`${folder}:`, local, '--delete');
    expect(partly).toMatchObject({ code: 8, summary: { failed: [{ path: `${folder}:linked` }] } });
    expect(Object.keys(await sumsOf(outside))).toEqual(['passwd', 'x']);
    expect(Object.keys(await sumsOf(local))).toEqual(['held/a', 'keep', 'old/a', 'old/b/c']);
    await rm(join(data, 'linked'), { recursive: true });
    expect(await dry(`${folder}:`, local, '--delete')).toEqual([
      `delete ${join(local, 'held', 'a')}`,
      `delete ${join(local, 'old')}/`,
    ]);
    expect(await run(`${folder}:`, local, '--delete')).toMatchObject({ code: 0, summary: { deleted: 2 } });
    expect(await textOf(join(outside, 'x'))).toBe('mine');
    expect((await readdir(local)).toSorted()).toEqual(['held', 'keep', 'linked']);
    expect(await readdir(join(local, 'held'))).toEqual(['link']);
  });

  it('keeps what stands where the source has something that is never transferred', async () => {
    await writeTree(data, { a: '1' });
    await symlink('/etc', join(data, 'link'));
    await writeTree(local, { 'link/mine': 'x', gone: 'x' });
    const result = await run(`${folder}:`, local, '--delete');
    expect(result).toMatchObject({ code: 0, summary: { files: 1, deleted: 1 } });
    expect(result.stderr).toContain('link is neither a file nor a directory');
    expect(Object.keys(await sumsOf(local))).toEqual(['a', 'link/mine']);
  });
});

describe('between folders', () => {
  it('makes one like the other, with large files that have to be replaced', async () => {
    const name = `${folder} source`;
    const files = join(await stage.makeFolder(name), 'data');
    await writeTree(local, nasty);
    await run(local, `${name}:from`);
    await writeTree(data, { large: 'old', 'sub dir/deep/er/x': 'old', extra: 'x', 'more/y': 'x' });
    const args = [`${name}:from`, `${folder}:`];
    expect((await run(...args)).summary).toMatchObject({ files: 9, failed: [] });
    expect((await run(...args)).summary).toMatchObject({ files: 0, unchanged: 9 });
    expect(await dry(...args, '--delete')).toEqual([`delete ${folder}:extra`, `delete ${folder}:more/`]);
    expect((await run(...args, '--delete')).summary).toMatchObject({ files: 0, deleted: 2 });
    expect(await sumsOf(data)).toEqual(await sumsOf(join(files, 'from')));
  });

  it('refuses to go into itself, by any name of the folder', async () => {
    await writeTree(data, { 'd/a': '1' });
    const { id } = JSON.parse((await ada(['info', folder, '--json'])).stdout);
    for (const [from, to] of [
      [`${folder}:`, `${folder}:d`],
      [`${folder}:d`, `${id}:`],
      [`${folder}:d`, `${id}:d`],
    ]) {
      expect(await run(from ?? '', to ?? '')).toMatchObject({ code: 2 });
    }
    expect((await run(`${folder}:d`, `${id}:dd`)).summary).toMatchObject({ files: 1 });
  });
});

it('refuses what is no directory or is not there, and changes nothing then', async () => {
  await writeTree(local, { file: 'x' });
  await writeTree(data, { file: 'x' });
  const codes = async (...args: string[]) => (await run(...args, '--delete')).code;
  expect(await codes(local, local)).toBe(2);
  expect(await codes(join(local, 'none'), `${folder}:`)).toBe(3);
  expect(await codes(`${folder}:none`, local)).toBe(3);
  expect(await codes(join(local, 'file'), `${folder}:`)).toBe(2);
  expect(await codes(local, `${folder}:file`)).toBe(2);
  expect(await codes(`${folder}:`, join(local, 'file'))).toBe(2);
  expect(await codes(local, 'no such folder:')).toBe(3);
  expect(await codes('-', `${folder}:`)).toBe(2);
  expect([await readdir(local), await readdir(data)]).toEqual([['file'], ['file']]);
});
