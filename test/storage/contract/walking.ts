import assert from 'node:assert/strict';
import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeChain } from '../deep-tree.ts';
import { at, codeOf, putFile, readAll, type TestVolume, walkAll } from '../test-volume.ts';

/** Walks over whole trees, for archives. */
export function describeWalking(test: () => TestVolume): void {
  it('hands out directories before their content, names in byte order', async () => {
    for (const path of ['b/z', 'b/a/1', 'a.txt', 'ä', 'B', 'b.txt', 'b/a/0'])
      await putFile(test(), path, path);
    const { entries } = await walkAll(test(), '');
    expect(entries.map(({ path }) => path.join('/'))).toEqual([
      'B',
      'a.txt',
      'b',
      'b/a',
      'b/a/0',
      'b/a/1',
      'b/z',
      'b.txt',
      'ä',
    ]);
    for (const entry of entries.filter(({ stat }) => stat.kind === 'file')) {
      expect((await readAll(await entry.open())).toString()).toBe(entry.path.join('/'));
    }
  });

  it('starts at a directory or a file, which it hands out first', async () => {
    await putFile(test(), 'a/b/c', 'x');
    await putFile(test(), 'z', 'x');
    const walked = async (path: string): Promise<string[]> =>
      (await walkAll(test(), path)).entries.map((entry) => entry.path.join('/'));
    expect(await walked('a/b')).toEqual(['a/b', 'a/b/c']);
    expect(await walked('a/b/c')).toEqual(['a/b/c']);
    expect(await codeOf(walked('missing'))).toBe('entry_not_found');
    expect(await codeOf(walked('z/x'))).toBe('entry_not_found');
  });

  it('says what it cannot hand out, and why', async () => {
    const { dataPath } = test();
    await putFile(test(), 'dir/file', 'x');
    await symlink('/etc/passwd', join(dataPath, 'dir', 'link'));
    await writeFile(Buffer.concat([Buffer.from(`${dataPath}/dir/`), Buffer.from([0xff])]), 'x');
    const { entries, skipped } = await walkAll(test(), '');
    expect(entries.map(({ path }) => path.join('/'))).toEqual(['dir', 'dir/file']);
    expect(skipped).toEqual(['symlink dir/link', 'name_not_utf8 dir/\ufffd']);
    expect((await walkAll(test(), 'dir/link')).skipped).toEqual(['symlink dir/link']);
  });

  it('opens what was walked long after the walk, and only that inode', async () => {
    const { dataPath } = test();
    await putFile(test(), 'a/one', 'one');
    await putFile(test(), 'a/two', 'two');
    const { entries } = await walkAll(test(), '');
    const [dir, one, two] = entries;
    assert(dir && one && two);
    expect((await readAll(await one.open())).toString()).toBe('one');
    await writeFile(join(dataPath, 'other'), 'other');
    await rename(join(dataPath, 'other'), join(dataPath, 'a', 'two'));
    expect(await codeOf(two.open())).toBe('entry_not_found');
    expect(await codeOf(dir.open())).toBe('entry_not_regular');
  });

  it('tells where an entry lies from where its neighbour does, as lending it would', async () => {
    for (const path of ['a/one', 'a/two', 'b/three']) await putFile(test(), path, path);
    const { entries } = await walkAll(test(), '');
    const [one, two, three] = entries.filter(({ stat }) => stat.kind === 'file');
    assert(one && two && three);
    expect(two.within).toBe(one.within);
    expect(three.within).not.toBe(one.within);
    await one.lend(async (lent) => {
      const { directory, ...found } = two.beside(lent);
      expect(await readFile(`/proc/self/fd/${directory}/${found.name}`, 'utf8')).toBe('a/two');
      await two.lend(async ({ name, inode, device }) => expect(found).toEqual({ name, inode, device }));
      // Where it lies is told, not that it is still there.
      expect(String(found.inode)).toBe(two.stat.inode);
    });
  });

  it('ends early and stops on abort without an error of its own', async () => {
    const { volume, folderId } = test();
    for (const name of ['a', 'b', 'c']) await putFile(test(), name, name);
    for await (const entry of volume.walk(folderId, at(''), {})) {
      expect(entry.path).toEqual(['a']);
      break;
    }
    const signal = AbortSignal.abort(new Error('enough'));
    const iterate = async (): Promise<void> => {
      for await (const _ of volume.walk(folderId, at(''), { signal }));
    };
    await expect(iterate()).rejects.toThrow('enough');
  });

  it('goes on when entries vanish under it', async () => {
    const { volume, folderId, dataPath } = test();
    for (const path of ['a/1', 'b/1', 'c/1']) await putFile(test(), path, path);
    const seen: string[] = [];
    for await (const entry of volume.walk(folderId, at(''), {})) {
      seen.push(entry.path.join('/'));
      if (seen.length === 1) await rm(join(dataPath, 'b'), { recursive: true });
    }
    expect(seen).toEqual(['a', 'a/1', 'c', 'c/1']);
  });

  it('refuses what lies deeper than a thousand components as too_deep', async () => {
    makeChain(test().dataPath, 1002);
    const { entries, skipped } = await walkAll(test(), '');
    expect(Math.max(...entries.map(({ path }) => path.length))).toBe(1000);
    expect(skipped).toEqual([`too_deep ${Array.from({ length: 1000 }, () => 'd').join('/')}`]);
  });
}
