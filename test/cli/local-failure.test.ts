import { mkdir, mkdtemp, open, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliError, exitCodes } from '../../cli/exit-codes.ts';
import { makeDirectories, writingTo } from '../../cli/local-failure.ts';
import { settingsPath, writeSettings } from '../../cli/settings.ts';
import { openJournal } from '../../cli/transfer/journal.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'local-failure-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliError)) throw new Error('No refusal.', { cause: error });
  expect(error.exitCode).toBe(exitCodes.other);
  return error.message;
}

it('names the file that a full disk has no room for, though the system does not', async () => {
  const file = await open('/dev/full', 'w');
  try {
    const refused = writingTo('/there/state', () => file.appendFile('x'));
    expect(await refusalOf(refused)).toBe('/there/state cannot be written: the disk is full.');
  } finally {
    await file.close();
  }
});

it('leaves alone what is no failure of the system', async () => {
  const other = new Error('other');
  await expect(writingTo('/there', () => Promise.reject(other))).rejects.toBe(other);
  const unknown = Object.assign(new Error('refused'), { syscall: 'connect', code: 'ECONNREFUSED' });
  await expect(writingTo('/there', () => Promise.reject(unknown))).rejects.toBe(unknown);
});

it('names the journal whose directory cannot be made, and leaves no lock where it cannot be opened', async () => {
  const file = join(dir, 'file');
  await writeFile(file, '');
  const within = openJournal(join(file, 'state'), ['a'], { isFresh: false });
  expect(await refusalOf(within)).toMatch(/\.jsonl cannot be written: a part of the path is no directory\.$/);
  const begin = () => openJournal(dir, ['a'], { isFresh: false });
  const journal = await begin();
  const name = (await readdir(join(dir, 'transfers'))).find((found) => found.endsWith('.jsonl')) ?? '';
  await journal.close({ isComplete: true });
  await mkdir(join(dir, 'transfers', name));
  expect(await refusalOf(begin())).toMatch(/\.jsonl cannot be written: it is a directory\.$/);
  expect(await readdir(join(dir, 'transfers'))).toEqual([name]);
});

it('makes directories that are missing, however many do so at once, through links too, and ends where none can be made', async () => {
  await Promise.all(Array.from({ length: 8 }, () => makeDirectories(join(dir, 'a', 'b', 'c'), 0o700)));
  await symlink(join(dir, 'a', 'b'), join(dir, 'link'));
  await makeDirectories(join(dir, 'link', 'd'));
  await makeDirectories('.');
  await makeDirectories('/');
  expect((await readdir(join(dir, 'a', 'b'))).toSorted()).toEqual(['c', 'd']);
  await writeFile(join(dir, 'file'), '');
  await expect(makeDirectories(join(dir, 'file'))).rejects.toThrow('EEXIST');
  await expect(makeDirectories(join(dir, 'file', 'x'))).rejects.toThrow('ENOTDIR');
  await expect(makeDirectories('/proc/none/x')).rejects.toThrow('ENOENT');
});

it('names the settings that cannot be written', async () => {
  const env = { XDG_CONFIG_HOME: '/proc/none' };
  const refused = writeSettings(env, { current: null, profiles: {} });
  expect(await refusalOf(refused)).toBe(
    `${settingsPath(env)} cannot be written: its directory is not there, or takes no new files.`,
  );
});
