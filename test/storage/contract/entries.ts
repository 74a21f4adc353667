import { chmod, link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { domainError } from '../../../domain/errors.ts';
import { at, codeOf, getFile, putFile, readAll, type TestVolume } from '../test-volume.ts';

const strict = { parents: false, existOk: false } as const;

/** Single entries: looked at, opened, made, moved. */
export function describeEntries(test: () => TestVolume): void {
  it('tells kind, size and times of an entry without following it', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'file', '12345');
    await symlink('file', join(dataPath, 'link'));
    const stat = await volume.stat(folderId, at('file'));
    expect(stat).toMatchObject({ kind: 'file', sizeBytes: 5, links: 1 });
    expect(Math.abs((stat?.mtime ?? 0) - Date.now() / 1000)).toBeLessThan(600);
    expect((await volume.stat(folderId, at('link')))?.kind).toBe('symlink');
    expect((await volume.stat(folderId, at('')))?.kind).toBe('directory');
  });

  it('finds nothing behind a missing parent, a file or a symlink', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'real/file', 'x');
    await symlink('real', join(dataPath, 'link'));
    for (const path of ['missing/x', 'real/file/x', 'link/file']) {
      expect(await volume.stat(folderId, at(path))).toBeNull();
      expect(await codeOf(volume.open(folderId, at(path)))).toBe('entry_not_found');
      expect(await codeOf(volume.list(folderId, at(path), { limit: 1 }))).toBe('entry_not_found');
    }
  });

  it('streams a range, and the whole file by default', async () => {
    const { volume, folderId } = test();
    const content = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index % 251));
    await putFile(test(), 'file', content);
    const read = async (range?: { start?: number; end?: number }): Promise<Buffer> =>
      readAll(await volume.open(folderId, at('file')), range);
    expect((await read()).equals(content)).toBe(true);
    expect((await read({ start: 299_990, end: 300_010 })).equals(content.subarray(299_990, 300_011))).toBe(
      true,
    );
    expect((await read({ start: 599_999 })).equals(content.subarray(599_999))).toBe(true);
    expect((await read({ end: 0 })).equals(content.subarray(0, 1))).toBe(true);
    expect((await read({ start: 700_000 })).length).toBe(0);
  });

  it('fills a buffer from any place, in full unless the file ends', async () => {
    const { volume, folderId } = test();
    const content = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index % 251));
    await putFile(test(), 'file', content);
    const file = await volume.open(folderId, at('file'));
    const buffers = [500_000, 500_000, 10].map((size) => Buffer.alloc(size));
    const [whole, tail, beyond] = buffers;
    if (whole === undefined || tail === undefined || beyond === undefined) throw new Error('Three buffers.');
    const counts = await Promise.all([
      file.read(whole, 50_000),
      file.read(tail, 599_000),
      file.read(beyond, 600_000),
    ]);
    expect(counts).toEqual([500_000, 1_000, 0]);
    expect(whole.equals(content.subarray(50_000, 550_000))).toBe(true);
    expect(tail.subarray(0, 1_000).equals(content.subarray(599_000))).toBe(true);
    await file.close();
  });

  it('serves several streams of one open file at once', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'file', '0123456789'.repeat(100_000));
    const file = await volume.open(folderId, at('file'));
    const collect = async (start: number): Promise<string> => {
      let text = '';
      for await (const chunk of file.stream({ start, end: start + 9 })) text += chunk;
      return text;
    };
    expect(await Promise.all([collect(0), collect(500_000), collect(999_990)])).toEqual(
      Array.from({ length: 3 }, () => '0123456789'),
    );
    await file.close();
    await file.close();
  });

  it('keeps an open file readable after it is replaced or deleted', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'file', 'old');
    const file = await volume.open(folderId, at('file'));
    await putFile(test(), 'file', 'new!');
    expect(file.stat.sizeBytes).toBe(3);
    expect((await readAll(file)).toString()).toBe('old');
  });

  it('opens nothing but regular files', async () => {
    const { volume, folderId, dataPath } = test();
    await mkdir(join(dataPath, 'dir'));
    await writeFile(join(dataPath, 'target'), 'x');
    await symlink('target', join(dataPath, 'link'));
    for (const path of ['', 'dir', 'link']) {
      expect(await codeOf(volume.open(folderId, at(path)))).toBe('entry_not_regular');
    }
    expect(await codeOf(volume.open(folderId, at('missing')))).toBe('entry_not_found');
  });

  it('makes a directory once and says when it existed', async () => {
    const { volume, folderId } = test();
    expect(await volume.makeDirectory(folderId, at('a'), strict)).toBe('created');
    expect(await codeOf(volume.makeDirectory(folderId, at('a'), strict))).toBe('entry_conflict');
    const lenient = { parents: false, existOk: true };
    expect(await volume.makeDirectory(folderId, at('a'), lenient)).toBe('existed');
    expect(await volume.makeDirectory(folderId, at(''), lenient)).toBe('existed');
    expect(await codeOf(volume.makeDirectory(folderId, at(''), strict))).toBe('entry_conflict');
  });

  it('makes parents only when asked to', async () => {
    const { volume, folderId } = test();
    expect(await codeOf(volume.makeDirectory(folderId, at('a/b'), strict))).toBe('entry_not_found');
    const withParents = { parents: true, existOk: false };
    expect(await volume.makeDirectory(folderId, at('a/b/c'), withParents)).toBe('created');
    expect((await volume.stat(folderId, at('a/b/c')))?.kind).toBe('directory');
  });

  it('asks a room once, for all that is missing, before it makes a directory, and makes none that is refused', async () => {
    const { volume, folderId, dataPath } = test();
    const heard: (number | 'made')[] = [];
    const room = {
      admit: async (missing: number) => {
        heard.push(missing);
        if (missing > 3) throw domainError('quota_exceeded', 'planted');
      },
      onMade: () => heard.push('made'),
    };
    const make = (path: string) =>
      codeOf(volume.makeDirectory(folderId, at(path), { parents: true, existOk: true, room }));
    await mkdir(join(dataPath, 'a'));
    await make('a/b/c');
    expect(heard.splice(0)).toEqual([2, 'made', 'made']);
    await make('a/b/c/d');
    expect(heard.splice(0)).toEqual([1, 'made']);
    await make('a/b');
    expect(heard.splice(0)).toEqual([]);
    expect(await make('a/1/2/3/4')).toBe('quota_exceeded');
    expect(heard.splice(0)).toEqual([4]);
    expect(await readdir(join(dataPath, 'a'))).toEqual(['b']);
  });

  it('refuses a directory where something else is, at the end or on the way', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'file', 'x');
    await mkdir(join(dataPath, 'real'));
    await symlink('real', join(dataPath, 'link'));
    for (const path of ['file', 'file/x', 'link', 'link/x']) {
      const making = volume.makeDirectory(folderId, at(path), { parents: true, existOk: true });
      expect(await codeOf(making)).toBe('entry_conflict');
    }
    expect(await readdir(join(dataPath, 'real'))).toEqual([]);
  });

  it('moves files, directories and symlinks', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'a/file', 'x');
    await symlink('nowhere', join(dataPath, 'link'));
    await volume.move(folderId, at('a/file'), at('renamed'));
    await volume.move(folderId, at('a'), at('b'));
    await volume.move(folderId, at('link'), at('b/link'));
    expect(await getFile(test(), 'renamed')).toBe('x');
    expect((await volume.stat(folderId, at('renamed')))?.links).toBe(1);
    expect((await readdir(dataPath)).sort()).toEqual(['b', 'renamed']);
    expect((await volume.stat(folderId, at('b/link')))?.kind).toBe('symlink');
  });

  it('never replaces anything by a move', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'one', '1');
    await putFile(test(), 'two', '2');
    await mkdir(join(dataPath, 'dir'));
    await mkdir(join(dataPath, 'empty'));
    await link(join(dataPath, 'one'), join(dataPath, 'same'));
    for (const [from, to] of [
      ['one', 'two'],
      ['dir', 'one'],
      ['one', 'dir'],
      ['dir', 'empty'],
      ['one', 'same'],
    ]) {
      expect(await codeOf(volume.move(folderId, at(from ?? ''), at(to ?? '')))).toBe('entry_conflict');
    }
    expect((await readdir(dataPath)).sort()).toEqual(['dir', 'empty', 'one', 'same', 'two']);
    expect(await readFile(join(dataPath, 'two'), 'utf8')).toBe('2');
  });

  it('refuses to move what is missing, into itself, onto itself, or into a missing directory', async () => {
    const { volume, folderId } = test();
    await volume.makeDirectory(folderId, at('dir'), strict);
    const move = (from: string, to: string): Promise<string> =>
      codeOf(volume.move(folderId, at(from), at(to)));
    expect(await move('missing', 'x')).toBe('entry_not_found');
    expect(await move('dir', 'dir/inside')).toBe('entry_conflict');
    expect(await move('dir', 'dir')).toBe('entry_conflict');
    expect(await move('dir', 'missing/x')).toBe('entry_not_found');
    expect(await move('', 'x')).toBe('entry_conflict');
    expect(await move('dir', '')).toBe('entry_conflict');
  });

  it('moves a directory that its owner has locked', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'locked/file', 'x');
    await mkdir(join(dataPath, 'target'));
    await chmod(join(dataPath, 'locked'), 0);
    await volume.move(folderId, at('locked'), at('target/moved'));
    expect((await volume.stat(folderId, at('target/moved')))?.kind).toBe('directory');
  });

  it('finishes a move wherever an earlier call of it died, and does nothing after success', async () => {
    const { volume, folderId, dataPath } = test();
    const inodeOf = async (path: string) => (await volume.stat(folderId, at(path)))?.inode ?? '';
    await putFile(test(), 'file', '1');
    await putFile(test(), 'dir/x', '2');
    await mkdir(join(dataPath, 'to'));
    const [file, dir] = [await inodeOf('file'), await inodeOf('dir')];
    await link(join(dataPath, 'file'), join(dataPath, 'to', 'file'));
    await mkdir(join(dataPath, 'to', 'dir'));
    for (const _ of [1, 2]) {
      await volume.resumeMove(folderId, at('file'), at('to/file'), file);
      await volume.resumeMove(folderId, at('dir'), at('to/dir'), dir);
      expect((await readdir(dataPath)).sort()).toEqual(['to']);
      expect([await inodeOf('to/file'), await inodeOf('to/dir')]).toEqual([file, dir]);
    }
    expect((await volume.stat(folderId, at('to/file')))?.links).toBe(1);
    expect(await getFile(test(), 'to/dir/x')).toBe('2');
  });

  it('resumes a move of that very entry only, and then replaces nothing either', async () => {
    const { volume, folderId, dataPath } = test();
    await putFile(test(), 'old', '1');
    await putFile(test(), 'new', '2');
    const inode = (await volume.stat(folderId, at('old')))?.inode ?? '';
    const resume = (from: string, to: string) => codeOf(volume.resumeMove(folderId, at(from), at(to), inode));
    expect(await resume('new', 'x')).toBe('entry_not_found');
    expect(await resume('missing', 'x')).toBe('entry_not_found');
    expect(await resume('old', 'new')).toBe('entry_conflict');
    await putFile(test(), 'full/x', '3');
    await mkdir(join(dataPath, 'dir'));
    const dirInode = (await volume.stat(folderId, at('dir')))?.inode ?? '';
    expect(await codeOf(volume.resumeMove(folderId, at('dir'), at('full'), dirInode))).toBe('entry_conflict');
    expect((await readdir(dataPath)).sort()).toEqual(['dir', 'full', 'new', 'old']);
  });
}
