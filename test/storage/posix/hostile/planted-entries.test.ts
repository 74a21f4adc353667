import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  at,
  codeOf,
  openTestVolume,
  putFile,
  readAll,
  type TestVolume,
  trash,
  walkAll,
} from '../../test-volume.ts';
import { type Canary, plantCanary } from './canary.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** Puts something hostile at `path`, which does not exist yet. */
type Plant = (path: string, canary: Canary) => Promise<void>;

async function plantSocket(path: string, canary: Canary): Promise<void> {
  // The path of a socket is limited to 107 bytes, so it is bound at a short one and moved.
  const short = join(canary.path, '..', 's');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(short, resolve));
  await rename(short, path);
  await new Promise((resolve) => server.close(resolve));
}

/** What is neither a regular file nor a directory. */
const foreign: Readonly<Record<string, Plant>> = {
  'an absolute link to a directory': (path, canary) => symlink(canary.path, path),
  'an absolute link to a file': (path, canary) => symlink(join(canary.path, 'file'), path),
  'a relative link to a directory': (path) => symlink('../../../../../../outside', path),
  'a link with a trailing slash': (path, canary) => symlink(`${canary.path}/inner/`, path),
  'a dangling link': (path, canary) => symlink(join(canary.path, 'not-there'), path),
  'a link to itself': (path) => symlink('target', path),
  'a link to the root through /proc': (path) => symlink('/proc/self/root', path),
  'a link to the working directory through /proc': (path) => symlink('/proc/self/cwd', path),
  'a link to its own directory': (path) => symlink('.', path),
  'a link to the folder above': (path) => symlink('..', path),
  'a fifo': async (path) => void (await run('mkfifo', [path])),
  'a socket': plantSocket,
};
const devices: Readonly<Record<string, Plant>> = {
  'a character device': async (path) => void (await run('mknod', [path, 'c', '1', '5'])),
  'a block device': async (path) => void (await run('mknod', [path, 'b', '7', '0'])),
};

let test: TestVolume;
let canary: Canary;
let before: string;

beforeEach(async () => {
  test = await openTestVolume();
  canary = await plantCanary(test);
  before = await canary.snapshot();
});
afterEach(async () => {
  await test.close();
});

async function stage(): Promise<string> {
  const stageId = randomUUID();
  const writer = await test.volume.createStage(test.folderId, stageId);
  await writer.write(Buffer.from('uploaded'));
  await writer.finish();
  return stageId;
}

async function openAndRead(path: string): Promise<string> {
  return (await readAll(await test.volume.open(test.folderId, at(path)))).toString();
}

async function trashed(): Promise<string> {
  const name = randomUUID();
  await putFile(test, name, 'trashed');
  return trash(test, name);
}

/** Every verb that takes a path, aimed at `path`; each answers a code, or what it found. */
const verbs: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  stat: async (path) => (await test.volume.stat(test.folderId, at(path)))?.kind ?? null,
  list: (path) => codeOf(test.volume.list(test.folderId, at(path), { limit: 10 })),
  open: (path) => codeOf(openAndRead(path)),
  walk: (path) => codeOf(walkAll(test, path)),
  commit: async (path) => codeOf(test.volume.commitStage(test.folderId, await stage(), at(path))),
  makeDirectory: (path) =>
    codeOf(test.volume.makeDirectory(test.folderId, at(path), { parents: true, existOk: true })),
  moveTo: async (path) => {
    const name = randomUUID();
    await putFile(test, name, 'moved');
    return codeOf(test.volume.move(test.folderId, at(name), at(path)));
  },
  moveDirectoryTo: async (path) => {
    const name = randomUUID();
    await test.volume.makeDirectory(test.folderId, at(name), { parents: true, existOk: true });
    return codeOf(test.volume.move(test.folderId, at(name), at(path)));
  },
  restore: async (path) => test.volume.restoreTrash(test.folderId, await trashed(), 0, at(path)),
  // The last three take the entry away, so they come last and put it back.
  moveFrom: async (path) => {
    const code = await codeOf(test.volume.move(test.folderId, at(path), at('elsewhere')));
    if (code === 'resolved') await test.volume.move(test.folderId, at('elsewhere'), at(path));
    return code;
  },
  trashAndRestore: async (path) => {
    const trashId = randomUUID();
    await test.volume.createTrash(test.folderId, trashId);
    const code = await codeOf(test.volume.trashEntry(test.folderId, at(path), trashId, 0));
    if (code === 'resolved') await test.volume.restoreTrash(test.folderId, trashId, 0, at(path));
    return code;
  },
  trashAndPurge: async (path) => {
    const trashId = randomUUID();
    await test.volume.createTrash(test.folderId, trashId);
    const code = await codeOf(test.volume.trashEntry(test.folderId, at(path), trashId, 0));
    await test.volume.measureTrash(test.folderId, trashId);
    await test.volume.purgeTrash(test.folderId, trashId);
    return code;
  },
};

async function aimAll(path: string): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const [verb, aim] of Object.entries(verbs)) answers[verb] = await aim(path);
  return answers;
}

const takenByForeign = {
  list: 'entry_conflict',
  open: 'entry_not_regular',
  walk: 'resolved',
  commit: 'entry_conflict',
  makeDirectory: 'entry_conflict',
  moveTo: 'entry_conflict',
  moveDirectoryTo: 'entry_conflict',
  restore: false,
  moveFrom: 'resolved',
  trashAndRestore: 'resolved',
  trashAndPurge: 'resolved',
};
const behindForeign = {
  stat: null,
  list: 'entry_not_found',
  open: 'entry_not_found',
  walk: 'entry_not_found',
  commit: 'entry_conflict',
  makeDirectory: 'entry_conflict',
  moveTo: 'entry_conflict',
  moveDirectoryTo: 'entry_conflict',
  restore: false,
  moveFrom: 'entry_not_found',
  trashAndRestore: 'entry_not_found',
  trashAndPurge: 'entry_not_found',
};

describe.each(Object.entries(isRoot ? { ...foreign, ...devices } : foreign))('%s', (_name, plant) => {
  it('is named and deleted as itself, and nothing else is done to it', async () => {
    await plant(join(test.dataPath, 'target'), canary);
    expect(await aimAll('target')).toMatchObject(takenByForeign);
    expect(await test.volume.stat(test.folderId, at('target'))).toBeNull();
    expect(await canary.snapshot()).toBe(before);
  });

  it('is no way to anywhere', async () => {
    await plant(join(test.dataPath, 'target'), canary);
    for (const path of ['target/file', 'target/inner/file', 'target/inner', 'target/new']) {
      expect(await aimAll(path)).toEqual(behindForeign);
    }
    expect(await canary.snapshot()).toBe(before);
  });

  it('is skipped by walks and measures and goes away with its folder', async () => {
    await putFile(test, 'dir/file', '12345');
    await plant(join(test.dataPath, 'dir', 'target'), canary);
    const { entries, skipped } = await walkAll(test, '');
    expect(entries.map(({ path }) => path.join('/'))).toEqual(['dir', 'dir/file']);
    expect(skipped).toHaveLength(1);
    expect(await test.volume.measure(test.folderId)).toEqual({ bytes: 5, files: 1, directories: 1 });
    const { entries: listed } = await test.volume.list(test.folderId, at('dir'), { limit: 10 });
    expect(listed.map(({ name }) => name).sort()).toEqual(['file', 'target']);
    expect(await test.volume.purgeFolder(test.folderId)).toEqual({ entries: 5, directories: 3 });
    expect(await canary.snapshot()).toBe(before);
  });
});

describe('a hard link to a file outside', () => {
  it('is replaced and deleted as a name; the file keeps its content', async () => {
    const path = join(test.dataPath, 'target');
    await link(join(canary.path, 'file'), path);
    await putFile(test, 'target', 'new content');
    expect(await openAndRead('target')).toBe('new content');
    await link(join(canary.path, 'file'), join(test.dataPath, 'second'));
    const trashId = await trash(test, 'second');
    expect(await test.volume.measureTrash(test.folderId, trashId)).toMatchObject({ bytes: 0, files: 0 });
    expect(await test.volume.purgeTrash(test.folderId, trashId)).toEqual({ entries: 1, directories: 0 });
    expect(await canary.snapshot()).toBe(before);
  });
});

describe('what its owner has locked (mode 000)', () => {
  const codes = ['resolved', 'entry_conflict', 'entry_not_found'];

  it('gives a typed answer to every verb, as a file', async () => {
    await writeFile(join(test.dataPath, 'target'), 'x', { mode: 0 });
    for (const answer of Object.values(await aimAll('target'))) {
      expect([...codes, 'file', true, false]).toContain(answer);
    }
  });

  it('gives a typed answer to every verb, as a directory and on the way', async () => {
    for (const path of ['target', 'target/file', 'target/new/deep']) {
      const name = `${randomUUID()}`;
      await mkdir(join(test.dataPath, name));
      await writeFile(join(test.dataPath, name, 'file'), 'x');
      await chmod(join(test.dataPath, name), 0);
      for (const answer of Object.values(await aimAll(path.replace('target', name)))) {
        expect([...codes, 'entry_not_regular', 'directory', 'file', null, true, false]).toContain(answer);
      }
    }
    await test.volume.purgeFolder(test.folderId);
  });
});
