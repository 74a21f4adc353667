import fs from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Bulkhead, createBulkhead, noBulkhead } from '../../../storage/posix/bulkhead.ts';
import { volumeUnavailable } from '../../../storage/posix/errno.ts';
import { type Directory, ownDirectory } from '../../../storage/posix/handles/directory.ts';
import { openFlags } from '../../../storage/posix/handles/syscalls.ts';
import { createHands, createPace, type Hands } from '../../../storage/posix/volume-threads/hands.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { codeOf } from '../test-volume.ts';

let dir: TempDir;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  dir = await createTempDir();
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await dir.remove();
});

function handsWith(bulkhead: Bulkhead): Hands {
  const hands = createHands(bulkhead);
  closing.push(() => hands.close());
  return hands;
}

function open(path = dir.path): Directory {
  const fd = fs.openSync(path, openFlags.directory);
  const directory = ownDirectory(fd, fs.fstatSync(fd, { bigint: true }).dev, noBulkhead);
  closing.push(() => directory.close());
  return directory;
}

it('sends less together where steps take long, and is not misled by a thread that waited for its core', () => {
  const pace = createPace();
  expect(pace.steps()).toBe(16);
  for (const ms of [40, 0.004, 25, 7]) pace.note(ms);
  expect(pace.steps()).toBe(16);
  for (let message = 0; message < 32; message += 1) pace.note(0.25);
  expect(pace.steps()).toBe(4);
  for (let message = 0; message < 32; message += 1) pace.note(30);
  expect(pace.steps()).toBe(1);
  pace.note(0.01);
  expect(pace.steps()).toBe(16);
});

it('answers each of many steps that are asked for at once for itself', async () => {
  const hands = handsWith(createBulkhead());
  const directory = open();
  const names = Array.from({ length: 300 }, (_, index) => `f${index}`);
  for (const name of names) await writeFile(join(dir.path, name), name);
  const sizes = await Promise.all(
    names.flatMap((name) => [hands.look(directory, name), hands.look(directory, `no-${name}`)]),
  );
  expect(sizes.map((stat) => stat?.sizeBytes)).toEqual(names.flatMap((name) => [name.length, undefined]));
});

it('renames over files and free names, and says what is in the way of the others', async () => {
  const hands = handsWith(createBulkhead());
  const below = join(dir.path, 'below');
  await mkdir(join(below, 'directory'), { recursive: true });
  await symlink('/etc/passwd', join(below, 'link'));
  await writeFile(join(below, 'file'), 'old');
  for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(dir.path, name), name);
  const [from, to] = [open(), open(below)];
  const place = (name: string, target: string) =>
    hands.place({ directory: from, name }, { directory: to, name: target });
  expect(
    await Promise.all([
      place('a', 'free'),
      place('b', 'file'),
      place('c', 'link'),
      place('d', 'directory'),
      place('nothing', 'other'),
    ]),
  ).toEqual(['done', 'done', 'taken', 'taken', 'missing']);
  expect(await readFile(join(below, 'free'), 'utf8')).toBe('a');
  expect(await readFile(join(below, 'file'), 'utf8')).toBe('b');
  expect(fs.readlinkSync(join(below, 'link'))).toBe('/etc/passwd');
  expect(fs.readdirSync(dir.path).sort()).toEqual(['below', 'c', 'd']);
});

it('refuses what is no plain name before it gets to a thread', async () => {
  const hands = handsWith(createBulkhead());
  const directory = open();
  for (const name of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256)]) {
    expect(await codeOf(hands.look(directory, name))).toBe('path_invalid');
    expect(await codeOf(hands.place({ directory, name: 'a' }, { directory, name }))).toBe('path_invalid');
  }
});

it('tells the error of a system call by its number, and goes on with the next step', async () => {
  const hands = handsWith(createBulkhead());
  await writeFile(join(dir.path, 'file'), '');
  // A file that is lent as a directory: every step in it is ENOTDIR.
  const fd = fs.openSync(join(dir.path, 'file'), openFlags.anything);
  const file = ownDirectory(fd, 0n, noBulkhead);
  closing.push(() => file.close());
  const directory = open();
  const [failed, fine] = await Promise.allSettled([hands.look(file, 'x'), hands.look(directory, 'file')]);
  expect(failed).toMatchObject({ status: 'rejected', reason: { errno: -20 } });
  expect(fine).toMatchObject({ status: 'fulfilled', value: { kind: 'file' } });
});

it('refuses a directory that was closed before', async () => {
  const hands = handsWith(createBulkhead());
  const directory = open();
  await directory.close();
  await expect(hands.look(directory, 'x')).rejects.toThrow('before it is closed');
});

it('keeps what it was lent until the thread comes back, although the caller was told that the volume does not answer', async () => {
  let comesBack: Promise<unknown> = Promise.resolve();
  const impatient: Bulkhead = {
    ...noBulkhead,
    run: (call) => {
      comesBack = call();
      return Promise.reject(volumeUnavailable());
    },
  };
  const hands = handsWith(impatient);
  const directory = open();
  const order: string[] = [];
  expect(await codeOf(hands.look(directory, 'x'))).toBe('volume_unavailable');
  const closed = directory.close().then(() => order.push('closed'));
  await comesBack.then(() => order.push('back'));
  await closed;
  expect(order).toEqual(['back', 'closed']);
});

it('gives back what it was lent when the volume refuses the call', async () => {
  const hands = handsWith({ ...noBulkhead, run: () => Promise.reject(volumeUnavailable()) });
  const directory = open();
  expect(await codeOf(hands.look(directory, 'x'))).toBe('volume_unavailable');
  await directory.close();
  expect(directory.isOpen()).toBe(false);
});
