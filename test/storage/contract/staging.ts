import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { at, codeOf, getFile, putFile, type TestVolume } from '../test-volume.ts';

/** Uploads: staged out of sight, then made visible in one step. */
export function describeStaging(test: () => TestVolume): void {
  it('tells size, SHA-256, CRC-32 and inode of what was staged', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const chunks = [randomBytes(3), randomBytes(700_000), new Uint8Array(0), randomBytes(1_500_000)];
    const writer = await volume.createStage(folderId, stageId);
    for (const chunk of chunks) await writer.write(chunk);
    expect(writer.sizeBytes).toBe(2_200_003);
    const staged = await writer.finish();
    const all = Buffer.concat(chunks);
    expect(staged.sizeBytes).toBe(all.length);
    expect(staged.sha256).toBe(createHash('sha256').update(all).digest('hex'));
    expect(staged.crc32).toBe(crc32(all));
    expect((await volume.statStage(folderId, stageId))?.inode).toBe(staged.inode);
    await volume.commitStage(folderId, stageId, at('file.bin'));
    expect((await readFile(join(test().dataPath, 'file.bin'))).equals(all)).toBe(true);
  });

  it('keeps the order of very many small chunks', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const writer = await volume.createStage(folderId, stageId);
    const text = Array.from({ length: 3000 }, (_, index) => `${index},`);
    for (const part of text) await writer.write(Buffer.from(part));
    await writer.finish();
    await volume.commitStage(folderId, stageId, at('counted'));
    expect(await getFile(test(), 'counted')).toBe(text.join(''));
  });

  it('stages and commits an empty file', async () => {
    const staged = await putFile(test(), 'empty', '');
    expect(staged).toMatchObject({ sizeBytes: 0, crc32: 0 });
    expect(await getFile(test(), 'empty')).toBe('');
  });

  it('shows nothing of a staged file before it is committed', async () => {
    const { volume, folderId } = test();
    const writer = await volume.createStage(folderId, randomUUID());
    await writer.write(Buffer.from('secret'));
    await writer.finish();
    expect((await volume.list(folderId, at(''), { limit: 10 })).entries).toEqual([]);
  });

  it('makes staged names durable on request, also when there are none', async () => {
    const { volume, folderId } = test();
    await volume.syncStage(folderId);
    await (await volume.createStage(folderId, randomUUID())).finish();
    await volume.syncStage(folderId);
    expect(await codeOf(volume.syncStage(randomUUID()))).toBe('entry_not_found');
  });

  it('lists staged files with their age and forgets discarded ones', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    await (await volume.createStage(folderId, stageId)).finish();
    expect((await volume.listStages(folderId)).map(({ id }) => id)).toEqual([stageId]);
    await volume.discardStage(folderId, stageId);
    await volume.discardStage(folderId, stageId);
    expect(await volume.listStages(folderId)).toEqual([]);
    expect(await volume.statStage(folderId, stageId)).toBeNull();
  });

  it('refuses to stage twice under one id', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    await (await volume.createStage(folderId, stageId)).close();
    expect(await codeOf(volume.createStage(folderId, stageId))).toBe('entry_conflict');
  });

  it('leaves the staged file when a writer is closed without finishing', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const writer = await volume.createStage(folderId, stageId);
    await writer.write(Buffer.from('half'));
    await writer.close();
    await writer.close();
    expect(await volume.statStage(folderId, stageId)).not.toBeNull();
  });

  it('makes the parents and answers stage_missing the second time', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const writer = await volume.createStage(folderId, stageId);
    await writer.write(Buffer.from('x'));
    await writer.finish();
    const path = at('a/b/c/file');
    expect(await volume.commitStage(folderId, stageId, path)).toBe('committed');
    expect(await volume.commitStage(folderId, stageId, path)).toBe('stage_missing');
    expect(await getFile(test(), 'a/b/c/file')).toBe('x');
  });

  it('makes no directories for a stage that is not there', async () => {
    const { volume, folderId } = test();
    expect(await volume.commitStage(folderId, randomUUID(), at('a/b'))).toBe('stage_missing');
    expect(await volume.stat(folderId, at('a'))).toBeNull();
  });

  it('gives committed files and made directories the usual modes', async () => {
    await putFile(test(), 'a/file', 'x');
    expect((await stat(join(test().dataPath, 'a'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(test().dataPath, 'a/file'))).mode & 0o777).toBe(0o644);
  });

  it('replaces a regular file and changes its version', async () => {
    const { volume, folderId } = test();
    await putFile(test(), 'file', 'old');
    const before = await volume.stat(folderId, at('file'));
    await putFile(test(), 'file', 'new');
    const after = await volume.stat(folderId, at('file'));
    expect(await getFile(test(), 'file')).toBe('new');
    expect(after?.version).not.toBe(before?.version);
  });

  it('refuses to replace a directory or a symlink, and keeps the stage for another try', async () => {
    const { volume, folderId, dataPath } = test();
    await mkdir(join(dataPath, 'dir'));
    await symlink('elsewhere', join(dataPath, 'link'));
    const stageId = randomUUID();
    await (await volume.createStage(folderId, stageId)).finish();
    expect(await codeOf(volume.commitStage(folderId, stageId, at('dir')))).toBe('entry_conflict');
    expect(await codeOf(volume.commitStage(folderId, stageId, at('link')))).toBe('entry_conflict');
    expect(await volume.commitStage(folderId, stageId, at('free'))).toBe('committed');
  });

  it('refuses a parent that is a file as entry_conflict', async () => {
    const { volume, folderId, dataPath } = test();
    await writeFile(join(dataPath, 'file'), 'x');
    const stageId = randomUUID();
    await (await volume.createStage(folderId, stageId)).finish();
    expect(await codeOf(volume.commitStage(folderId, stageId, at('file/below')))).toBe('entry_conflict');
  });

  it('commits many files into one new directory at once', async () => {
    const paths = Array.from({ length: 20 }, (_, index) => `new/deep/${index}`);
    await Promise.all(paths.map((path) => putFile(test(), path, path)));
    for (const path of paths) expect(await getFile(test(), path)).toBe(path);
  });

  it('always shows a reader the whole old or the whole new content', async () => {
    const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(300_000));
    await putFile(test(), 'file', contents[0] ?? '');
    let isDone = false;
    const seen = new Set<string>();
    const readLoop = async (): Promise<void> => {
      while (!isDone) seen.add(await readFile(join(test().dataPath, 'file'), 'utf8'));
    };
    const apiLoop = async (): Promise<void> => {
      while (!isDone) seen.add(await getFile(test(), 'file'));
    };
    const loops = [readLoop(), apiLoop()];
    for (let round = 0; round < 30; round += 1) {
      await putFile(test(), 'file', contents[round % 3] ?? '');
    }
    isDone = true;
    await Promise.all(loops);
    expect(seen.size).toBeGreaterThan(1);
    for (const content of seen) expect(contents).toContain(content);
  });
}
