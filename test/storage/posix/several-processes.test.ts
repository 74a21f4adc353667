import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { openDescriptors } from '../deep-tree.ts';
import { at, codeOf, getFile, openTestVolume, putFile, type TestVolume } from '../test-volume.ts';

let here: TestVolume;
let other: PosixVolume;

beforeEach(async () => {
  here = await openTestVolume();
  other = await openPosixVolume({ name: 'test', root: here.rootPath });
});
afterEach(async () => {
  await other.close();
  await here.close();
});

describe('two openers of one volume, as two processes are', () => {
  it('see each other: a folder purged by one is gone for the other, and new when made again', async () => {
    const { folderId } = here;
    await putFile(here, 'file', 'first');
    await other.purgeFolder(folderId);
    expect(await codeOf(here.volume.list(folderId, at(''), { limit: 5 }))).toBe('entry_not_found');
    expect(await here.volume.stat(folderId, at('file'))).toBeNull();
    await other.createFolder(folderId);
    expect((await here.volume.list(folderId, at(''), { limit: 5 })).entries).toEqual([]);
    await putFile(here, 'file', 'second');
    expect(await getFile({ ...here, volume: other }, 'file')).toBe('second');
  });

  it('go on with a listing that the other began, every entry once', async () => {
    const { folderId, dataPath } = here;
    const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
    for (const name of names) await writeFile(join(dataPath, name), '');
    const seen: string[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; cursor !== null; page += 1) {
      const volume = page % 2 === 0 ? here.volume : other;
      const options = cursor === undefined ? { limit: 7 } : { limit: 7, cursor };
      const { entries, nextCursor } = await volume.list(folderId, at(''), options);
      seen.push(...entries.map(({ name }) => name));
      cursor = nextCursor;
    }
    expect(seen.sort()).toEqual(names.sort());
  });

  it('end a listing that the other began although all that was listed is deleted', async () => {
    const { folderId, dataPath } = here;
    for (let index = 0; index < 20; index += 1) await writeFile(join(dataPath, `f${index}`), '');
    const { nextCursor } = await here.volume.list(folderId, at(''), { limit: 10 });
    await rm(dataPath, { recursive: true });
    await other.makeDirectory(folderId, at(''), { parents: false, existOk: true }).catch(() => undefined);
    const listing = other.list(folderId, at(''), { limit: 10, cursor: nextCursor ?? '' });
    expect(await codeOf(listing)).toBe('entry_not_found');
  });

  it('commit one staged file once', async () => {
    const { folderId } = here;
    for (let round = 0; round < 20; round += 1) {
      const stageId = randomUUID();
      await (await here.volume.createStage(folderId, stageId)).finish();
      const outcomes = await Promise.all([
        here.volume.commitStage(folderId, stageId, at(`a/${round}`)),
        other.commitStage(folderId, stageId, at(`a/${round}`)),
      ]);
      expect(outcomes.sort()).toEqual(['committed', 'stage_missing']);
    }
  });

  it('move one file to one of two places, and two files to one place once', async () => {
    const { folderId } = here;
    for (let round = 0; round < 20; round += 1) {
      await putFile(here, `source-${round}`, 'x');
      const codes = await Promise.all([
        codeOf(here.volume.move(folderId, at(`source-${round}`), at(`left-${round}`))),
        codeOf(other.move(folderId, at(`source-${round}`), at(`right-${round}`))),
      ]);
      expect(codes.sort()).toEqual(['entry_not_found', 'resolved']);
      const places = [`source-${round}`, `left-${round}`, `right-${round}`].map((path) =>
        other.stat(folderId, at(path)),
      );
      expect((await Promise.all(places)).filter((stat) => stat !== null)).toHaveLength(1);
      await putFile(here, `one-${round}`, '1');
      await putFile(here, `two-${round}`, '2');
      const toOne = await Promise.all([
        codeOf(here.volume.move(folderId, at(`one-${round}`), at(`same-${round}`))),
        codeOf(other.move(folderId, at(`two-${round}`), at(`same-${round}`))),
      ]);
      expect(toOne.sort()).toEqual(['entry_conflict', 'resolved']);
    }
  });
});

describe('the handles of one opener', () => {
  it('stay bounded however many folders are in use, and go when it closes', async () => {
    const before = openDescriptors();
    const ids = Array.from({ length: 400 }, () => randomUUID());
    for (const id of ids) await other.createFolder(id);
    for (const id of ids) await other.stat(id, at(''));
    expect(openDescriptors() - before).toBeLessThan(300);
    for (const id of ids) await other.purgeFolder(id);
    expect(openDescriptors() - before).toBeLessThan(10);
  });

  it('are bounded for listings that nobody goes on with', async () => {
    const { folderId, dataPath } = here;
    for (let index = 0; index < 5; index += 1) await writeFile(join(dataPath, `f${index}`), '');
    const before = openDescriptors();
    for (let count = 0; count < 200; count += 1) await here.volume.list(folderId, at(''), { limit: 2 });
    expect(openDescriptors() - before).toBeLessThan(80);
  });
});
