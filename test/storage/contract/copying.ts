import { randomUUID } from 'node:crypto';
import {
  appendFile,
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { domainError } from '../../../domain/errors.ts';
import type { CopyOptions } from '../../../storage/volume.ts';
import { at, codeOf, getFile, putFile, type TestVolume } from '../test-volume.ts';

/** Admits everything and keeps what was skipped. */
function openHanded(): CopyOptions & { readonly skipped: string[] } {
  const skipped: string[] = [];
  return {
    skipped,
    admit: async () => undefined,
    onSkip: ({ path, reason }) => {
      skipped.push(`${reason} ${path}`);
    },
  };
}

/** Copies `path` of the folder to a staged tree of its own. */
function copyToStage(test: TestVolume, path: string, stageId: string, options: CopyOptions = openHanded()) {
  const { volume, folderId } = test;
  const entries = volume.walk(folderId, at(path), { onSkip: options.onSkip });
  return volume.copyTree(folderId, { area: 'stage', stageId, start: at(path) }, entries, options);
}

async function inodeOf({ volume, folderId }: TestVolume, stageId: string): Promise<string> {
  return (await volume.statStage(folderId, stageId))?.inode ?? '';
}

function describeStaged(test: () => TestVolume): void {
  it('copies a tree out of sight and shows it in one step', async () => {
    const { volume, folderId, dataPath } = test();
    const stageId = randomUUID();
    await putFile(test(), 'd/x', '12');
    await putFile(test(), 'd/e/run', '345');
    await mkdir(join(dataPath, 'd', 'empty'));
    await chmod(join(dataPath, 'd/e/run'), 0o6755);
    await utimes(join(dataPath, 'd/x'), 1_000_000_000, 1_000_000_001);
    const copied = await copyToStage(test(), 'd', stageId);
    expect(copied).toEqual({ bytes: 5, files: 2, directories: 2 });
    expect(await readdir(dataPath)).toEqual(['d']);
    await volume.publishTree(folderId, stageId, at('copy'), await inodeOf(test(), stageId));
    expect((await readdir(join(dataPath, 'copy'))).sort()).toEqual(['e', 'empty', 'x']);
    expect([await getFile(test(), 'copy/x'), await getFile(test(), 'copy/e/run')]).toEqual(['12', '345']);
    expect((await lstat(join(dataPath, 'copy/e/run'))).mode & 0o7777).toBe(0o755);
    expect((await lstat(join(dataPath, 'copy/x'))).mtimeMs).toBe(1_000_000_001_000);
    expect(await volume.listStages(folderId)).toEqual([]);
  });

  it('copies one file', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    await putFile(test(), 'd/x', 'one');
    expect(await copyToStage(test(), 'd/x', stageId)).toEqual({ bytes: 3, files: 1, directories: 0 });
    await volume.publishTree(folderId, stageId, at('d/y'), await inodeOf(test(), stageId));
    expect([await getFile(test(), 'd/x'), await getFile(test(), 'd/y')]).toEqual(['one', 'one']);
  });

  it('leaves out what is no regular file or directory, and makes two files of two names', async () => {
    const { dataPath } = test();
    await putFile(test(), 'd/x', 'one');
    await link(join(dataPath, 'd/x'), join(dataPath, 'd/y'));
    await symlink('/etc', join(dataPath, 'd/link'));
    await writeFile(Buffer.concat([Buffer.from(`${dataPath}/d/`), Buffer.from([0xff])]), 'raw');
    const options = openHanded();
    const stageId = randomUUID();
    expect(await copyToStage(test(), 'd', stageId, options)).toEqual({ bytes: 6, files: 2, directories: 0 });
    expect(options.skipped.map((one) => one.split(' ')[0]).sort()).toEqual(['name_not_utf8', 'symlink']);
    const [x, y] = await Promise.all(
      ['x', 'y'].map((name) => lstat(join(test().folderPath, 'stage', stageId, name))),
    );
    expect([x?.nlink, y?.nlink]).toEqual([1, 1]);
  });

  it('publishes over nothing, into no missing directory, and does nothing after success', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    await putFile(test(), 'd/x', 'one');
    await putFile(test(), 'taken', 'two');
    await volume.makeDirectory(folderId, at('full/inside'), { parents: true, existOk: false });
    await copyToStage(test(), 'd', stageId);
    const inode = await inodeOf(test(), stageId);
    const publish = (path: string) => codeOf(volume.publishTree(folderId, stageId, at(path), inode));
    expect(await publish('taken')).toBe('entry_conflict');
    expect(await publish('full')).toBe('entry_conflict');
    expect(await publish('taken/x')).toBe('entry_conflict');
    expect(await publish('missing/x')).toBe('entry_not_found');
    expect(await publish('copy')).toBe('resolved');
    expect(await publish('copy')).toBe('resolved');
    expect(await publish('again')).toBe('entry_not_found');
    expect(await getFile(test(), 'taken')).toBe('two');
  });

  it('discards a staged tree or file, and what is not there', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'd/e/x', 'one');
    for (const path of ['d', 'd/e/x']) {
      const stageId = randomUUID();
      await copyToStage(test(), path, stageId);
      await volume.discardTree(folderId, stageId);
      await volume.discardTree(folderId, stageId);
      expect(await volume.listStages(folderId)).toEqual([]);
    }
    await volume.discardTree(randomUUID(), randomUUID());
  });
}

function describeRerun(test: () => TestVolume): void {
  it('continues where a dead run stopped: keeps what is whole, makes anew what is not', async () => {
    const { dataPath, folderPath } = test();
    const stageId = randomUUID();
    for (const name of ['whole', 'half', 'kind']) await putFile(test(), `d/${name}`, `content of ${name}`);
    await copyToStage(test(), 'd', stageId);
    const staged = (name: string) => join(folderPath, 'stage', stageId, name);
    const inodeAt = async (name: string) => (await lstat(staged(name))).ino;
    const [whole, half] = [await inodeAt('whole'), await inodeAt('half')];
    // Held open, so that the number of the inode cannot be used again.
    await link(staged('half'), join(folderPath, 'stage', randomUUID()));
    await truncate(staged('half'), 3);
    await test().volume.move(test().folderId, at('d/kind'), at('d/elsewhere'));
    await mkdir(join(dataPath, 'd', 'kind'));
    await writeFile(join(dataPath, 'd', 'kind', 'inner'), 'x');
    const options = openHanded();
    await copyToStage(test(), 'd', stageId, options);
    expect(options.skipped).toEqual([]);
    expect(await inodeAt('whole')).toBe(whole);
    expect(await inodeAt('half')).not.toBe(half);
    const inode = await inodeOf(test(), stageId);
    await test().volume.publishTree(test().folderId, stageId, at('copy'), inode);
    expect(await getFile(test(), 'copy/half')).toBe('content of half');
    expect(await getFile(test(), 'copy/kind/inner')).toBe('x');
  });

  it('ends with what admits files and directories, and copies no more of a file than was admitted', async () => {
    const { dataPath } = test();
    await putFile(test(), 'd/a', 'first');
    await putFile(test(), 'd/b', 'second');
    const asked: (readonly number[])[] = [];
    const refusing: CopyOptions = {
      ...openHanded(),
      admit: async ({ bytes, files, directories }) => {
        asked.push([bytes, files, directories]);
        if (asked.length > 2) throw domainError('quota_exceeded', 'No room.');
      },
    };
    expect(await codeOf(copyToStage(test(), 'd', randomUUID(), refusing))).toBe('quota_exceeded');
    expect(asked).toEqual([
      [0, 0, 1],
      [5, 1, 0],
      [6, 1, 0],
    ]);
    const growing: CopyOptions = {
      ...openHanded(),
      admit: () => appendFile(join(dataPath, 'd/b'), ' and more'),
    };
    const stageId = randomUUID();
    expect(await copyToStage(test(), 'd/b', stageId, growing)).toMatchObject({ bytes: 6, files: 1 });
  });

  it('copies large files in pieces and stops in the middle', async () => {
    const { volume, folderId, dataPath } = test();
    await mkdir(join(dataPath, 'd'));
    await writeFile(join(dataPath, 'd', 'large'), 'head');
    await truncate(join(dataPath, 'd', 'large'), 65 * 1024 ** 2);
    await appendFile(join(dataPath, 'd', 'large'), 'tail');
    const stageId = randomUUID();
    const size = 65 * 1024 ** 2 + 4;
    expect(await copyToStage(test(), 'd', stageId)).toEqual({ bytes: size, files: 1, directories: 0 });
    const file = await volume.open(folderId, at('d/large'));
    await volume.publishTree(folderId, stageId, at('copy'), await inodeOf(test(), stageId));
    const copy = await volume.open(folderId, at('copy/large'));
    for (const range of [{ end: 3 }, { start: size - 4 }]) {
      const [one, other] = await Promise.all([file, copy].map((from) => from.stream(range).toArray()));
      expect(Buffer.concat(other ?? []).toString()).toBe(Buffer.concat(one ?? []).toString());
    }
    await Promise.all([file.close(), copy.close()]);
    const stopping = AbortSignal.abort(domainError('job_cancelled', 'Stop.'));
    const options = { ...openHanded(), signal: stopping };
    expect(await codeOf(copyToStage(test(), 'd', randomUUID(), options))).toBe('job_cancelled');
  });
}

/** Whole trees: copied to staging or into a folder that nobody sees, published, discarded. */
export function describeCopying(test: () => TestVolume): void {
  describeStaged(test);
  describeRerun(test);

  it('copies a whole folder into another, under the same paths', async () => {
    const { volume, folderId } = test();
    const targetId = randomUUID();
    await volume.createFolder(targetId);
    await putFile(test(), 'a', '1');
    await putFile(test(), 'd/e/f', '23');
    const entries = volume.walk(folderId, at(''), {});
    const copied = await volume.copyTree(targetId, { area: 'data' }, entries, openHanded());
    expect(copied).toEqual({ bytes: 3, files: 2, directories: 2 });
    expect(await getFile({ ...test(), folderId: targetId }, 'd/e/f')).toBe('23');
    expect(await volume.measure(targetId)).toEqual(copied);
  });

  it('does not find the folder to copy into', async () => {
    const { volume, folderId } = test();
    const entries = volume.walk(folderId, at(''), {});
    const copying = volume.copyTree(randomUUID(), { area: 'data' }, entries, openHanded());
    expect(await codeOf(copying)).toBe('entry_not_found');
  });
}
