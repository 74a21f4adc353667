import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { borrowDirectory, type Directory } from '../../../storage/posix/handles/directory.ts';
import { isSmallDirectory } from '../../../storage/posix/handles/directory-size.ts';
import { readEntries } from '../../../storage/posix/handles/directory-sync.ts';

let path: string;
let fd: number;
let directory: Directory;

beforeAll(() => {
  path = fs.mkdtempSync(join(os.tmpdir(), 'vfolder-directory-'));
  fs.mkdirSync(join(path, 'inner'));
  fs.symlinkSync('nowhere', join(path, 'link'));
  for (const name of ['plain', Buffer.from('é'), Buffer.from([0xff, 0xfe])]) {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name)]), '');
  }
  fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  directory = borrowDirectory(fd, fs.fstatSync(fd, { bigint: true }).dev);
});

afterAll(() => {
  fs.closeSync(fd);
  fs.rmSync(path, { recursive: true });
});

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

describe('readEntries', () => {
  it('gives the same names and types at once as in batches, byte for byte', () => {
    const atOnce = [...readEntries(directory, fs.fstatSync(fd, { bigint: true }))].sort(byName);
    expect(atOnce).toEqual([...readEntries(directory)].sort(byName));
    expect(atOnce.map(({ name }) => name)).toEqual(['inner', 'link', 'plain', 'Ã©', 'ÿþ']);
    expect(atOnce.map(({ type }) => type)).toEqual(['directory', 'other', 'file', 'file', 'file']);
  });

  it('gives the same names without types where two links say that nothing is a directory', () => {
    const untyped = [...readEntries(directory, { size: 4096n, nlink: 2n })].sort(byName);
    const typed = [...readEntries(directory)].sort(byName);
    expect(untyped).toEqual(typed.map(({ name }) => ({ name, type: 'unknown' })));
  });

  it('finds a directory that was removed empty, however it is read', () => {
    const gone = fs.mkdtempSync(join(os.tmpdir(), 'vfolder-directory-'));
    const number = fs.openSync(gone, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    fs.rmdirSync(gone);
    const removed = borrowDirectory(number, directory.device);
    expect([...readEntries(removed)]).toEqual([]);
    expect([...readEntries(removed, { size: 4096n, nlink: 3n })]).toEqual([]);
    expect([...readEntries(removed, { size: 4096n, nlink: 2n })]).toEqual([]);
    fs.closeSync(number);
  });
});

describe('isSmallDirectory', () => {
  it('takes no directory for small that is big, or that tells no size', () => {
    expect(isSmallDirectory(directory, 0n)).toBe(false);
    expect(isSmallDirectory(directory, 1_000_000n)).toBe(false);
  });

  it('believes no size where the file system has the same for every directory', () => {
    const number = fs.openSync('/proc/self', fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    const foreign = borrowDirectory(number, fs.fstatSync(number, { bigint: true }).dev);
    expect(isSmallDirectory(foreign, 4096n)).toBe(false);
    fs.closeSync(number);
  });
});
