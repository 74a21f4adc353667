import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { archivesName } from '../../../storage/posix/layout.ts';
import type { StoredName } from '../../../storage/volume.ts';
import { codeOf, readAll, type TestVolume } from '../test-volume.ts';

async function listed({ volume }: TestVolume): Promise<string[]> {
  const found: StoredName[] = [];
  for await (const batch of volume.listArchives()) found.push(...batch);
  return found.map(({ id }) => id);
}

/** Archives: written beside the folders, published when finished. */
export function describeArchives(test: () => TestVolume): void {
  it('publishes an archive when it is finished, not before', async () => {
    const { volume } = test();
    const id = randomUUID();
    const draft = await volume.createArchive(id);
    draft.sink.write('abc');
    expect(await codeOf(volume.openArchive(id))).toBe('entry_not_found');
    draft.sink.end('def');
    expect(await draft.finish()).toMatchObject({ sizeBytes: 6 });
    const file = await volume.openArchive(id);
    expect(file.stat.sizeBytes).toBe(6);
    expect((await readAll(file, { start: 2, end: 3 })).toString()).toBe('cd');
    expect(await listed(test())).toEqual([id]);
  });

  it('keeps nothing after a flush of what its sink has called back for', async () => {
    const { volume } = test();
    const id = randomUUID();
    const draft = await volume.createArchive(id);
    const buffer = Buffer.alloc(3);
    for (const word of ['abc', 'def']) {
      buffer.write(word);
      await new Promise((resolve) => draft.sink.write(buffer, resolve));
      await draft.flush();
    }
    buffer.fill(0);
    await draft.finish();
    expect((await readAll(await volume.openArchive(id))).toString()).toBe('abcdef');
  });

  it('leaves nothing of an aborted archive', async () => {
    const { volume } = test();
    const draft = await volume.createArchive(randomUUID());
    draft.sink.write('abc');
    await draft.abort();
    await draft.abort();
    expect(await listed(test())).toEqual([]);
  });

  it('does not publish after the sink was destroyed', async () => {
    const { volume } = test();
    const id = randomUUID();
    const draft = await volume.createArchive(id);
    draft.sink.write('abc');
    draft.sink.destroy(new Error('source failed'));
    await expect(draft.finish()).rejects.toThrow();
    expect(await codeOf(volume.openArchive(id))).toBe('entry_not_found');
    await draft.abort();
    expect(await listed(test())).toEqual([]);
  });

  it('keeps two attempts at one archive apart', async () => {
    const { volume } = test();
    const id = randomUUID();
    const first = await volume.createArchive(id);
    const second = await volume.createArchive(id);
    first.sink.write('first');
    second.sink.write('second');
    await second.finish();
    expect((await readAll(await volume.openArchive(id))).toString()).toBe('second');
    await first.abort();
    expect((await readAll(await volume.openArchive(id))).toString()).toBe('second');
  });

  it('calls the volume damaged, and no entry in the way, when something else is where archives go', async () => {
    const { volume, rootPath } = test();
    const id = randomUUID();
    await (await volume.createArchive(id)).finish();
    await rm(join(rootPath, archivesName), { recursive: true });
    await writeFile(join(rootPath, archivesName), '');
    expect(await codeOf(volume.createArchive(id))).toBe('volume_unavailable');
  });

  it('removes published and partial archives; missing is fine', async () => {
    const { volume } = test();
    const id = randomUUID();
    const other = randomUUID();
    await (await volume.createArchive(other)).finish();
    await (await volume.createArchive(id)).finish();
    const partial = await volume.createArchive(id);
    expect((await listed(test())).sort()).toEqual([id, id, other].sort());
    await volume.removeArchive(id);
    await volume.removeArchive(id);
    await volume.removeArchive(randomUUID());
    expect(await listed(test())).toEqual([other]);
    expect(await codeOf(partial.finish())).toBe('entry_not_found');
    await partial.abort();
  });
}
