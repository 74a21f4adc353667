import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { at, codeOf, readAll, type TestVolume } from '../test-volume.ts';

/** Staged files that several writers write one after another, and that are joined from others. */
export function describeStageParts(test: () => TestVolume): void {
  const append = async (stageId: string, positionBytes: number, bytes: Uint8Array): Promise<void> => {
    const { volume, folderId } = test();
    const appender = await volume.appendStage(folderId, { stageId, positionBytes });
    await appender.write(bytes);
    await appender.sync();
    await appender.close();
  };
  const bytesOf = async (stageId: string): Promise<Buffer> => {
    const { volume, folderId } = test();
    return readAll(await volume.openStage(folderId, stageId));
  };

  it('goes on where it is told to, and cuts off what lies beyond', async () => {
    const stageId = randomUUID();
    await append(stageId, 0, Buffer.from('hello, nobody'));
    await append(stageId, 7, Buffer.from('you'));
    expect((await bytesOf(stageId)).toString()).toBe('hello, you');
    await append(stageId, 0, Buffer.from('anew'));
    expect((await bytesOf(stageId)).toString()).toBe('anew');
  });

  it('may be synced again and again, telling the inode that is committed', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const appender = await volume.appendStage(folderId, { stageId, positionBytes: 0 });
    const chunks = Array.from({ length: 5 }, () => randomBytes(700_000));
    for (const chunk of chunks) {
      await appender.write(chunk);
      await appender.sync();
    }
    const { inode } = await appender.sync();
    expect(appender.sizeBytes).toBe(3_500_000);
    await appender.close();
    await appender.close();
    expect(await volume.commitStage(folderId, stageId, at('whole'))).toBe('committed');
    expect((await volume.stat(folderId, at('whole')))?.inode).toBe(inode);
    const file = await readAll(await volume.open(folderId, at('whole')));
    expect(file.equals(Buffer.concat(chunks))).toBe(true);
  });

  it('keeps every byte in its place when it is written to while it is synced', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    const appender = await volume.appendStage(folderId, { stageId, positionBytes: 0 });
    const chunks = Array.from({ length: 60 }, (_, index) =>
      randomBytes(20_000 + ((index * 37_003) % 400_000)),
    );
    const syncs: Promise<unknown>[] = [];
    for (const [index, chunk] of chunks.entries()) {
      await appender.write(chunk);
      if (index % 3 !== 0) syncs.push(appender.sync());
    }
    await Promise.all([...syncs, appender.sync()]);
    await appender.close();
    expect((await bytesOf(stageId)).equals(Buffer.concat(chunks))).toBe(true);
  });

  it('refuses to go on beyond the end, or with a file that is not there', async () => {
    const { volume, folderId } = test();
    const stageId = randomUUID();
    expect(await codeOf(volume.appendStage(folderId, { stageId, positionBytes: 1 }))).toBe('entry_not_found');
    await append(stageId, 0, Buffer.from('abc'));
    expect(await codeOf(volume.appendStage(folderId, { stageId, positionBytes: 4 }))).toBe(
      'volume_unavailable',
    );
    expect(await codeOf(volume.cutStage(folderId, { stageId, positionBytes: 4 }))).toBe('volume_unavailable');
    expect(await codeOf(volume.cutStage(folderId, { stageId: randomUUID(), positionBytes: 0 }))).toBe(
      'entry_not_found',
    );
    expect(await codeOf(volume.openStage(folderId, randomUUID()))).toBe('entry_not_found');
    expect((await bytesOf(stageId)).toString()).toBe('abc');
  });

  it('joins files from the last to the first, as often as it is asked to', async () => {
    const { volume, folderId } = test();
    const [first, second, whole] = [randomUUID(), randomUUID(), randomUUID()];
    const contents = [randomBytes(2_000_003), randomBytes(1_500_001)];
    await append(first, 0, contents[0] ?? Buffer.alloc(0));
    await append(second, 0, contents[1] ?? Buffer.alloc(0));
    const copy = (stageId: string, from: number, sizeBytes: number, to: number): Promise<void> =>
      volume.copyStage(folderId, {
        from: { stageId, positionBytes: from },
        to: { stageId: whole, positionBytes: to },
        sizeBytes,
      });
    await copy(second, 500_001, 1_000_000, 2_500_004);
    await copy(second, 500_001, 1_000_000, 2_500_004);
    await volume.cutStage(folderId, { stageId: second, positionBytes: 500_001 });
    await copy(second, 0, 500_001, 2_000_003);
    await copy(first, 0, 2_000_003, 0);
    expect((await bytesOf(whole)).equals(Buffer.concat(contents))).toBe(true);
    expect(await codeOf(copy(second, 500_000, 2, 0))).toBe('volume_unavailable');
  });
}
