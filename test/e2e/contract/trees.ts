import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { at, textAt } from '../support/json.ts';
import { folderDir } from '../support/tree-usage.ts';
import { upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime } from './rules.ts';
import { type Stage, useFolder, usePeople } from './stage.ts';

/** Everything below a directory, one entry a line. */
export function describeTrees(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  const list = (path?: string) =>
    own.ada.call('GET', own.folder.path('files'), {
      query: { recursive: 'true', ...(path === undefined ? {} : { path }) },
      headers: { Accept: 'application/x-ndjson' },
    });
  const linesOf = (text: string): unknown[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line));

  it('lists a whole tree, depth first, names in order, with links as such', async () => {
    await upload(own.ada, own.folder, { a: '1', 'd/e/x': '22', 'd/y': '' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await mkdir(join(data, 'empty'));
    await symlink('/etc', join(data, 'd', 'link'));
    const answer = await list();
    expectStatus(answer, 200);
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
    const lines = linesOf(answer.text);
    expect(lines.map((line) => textAt(line, 'path'))).toEqual([
      'a',
      'd',
      'd/e',
      'd/e/x',
      'd/link',
      'd/y',
      'empty',
    ]);
    expect(lines[0]).toEqual({
      path: 'a',
      type: 'file',
      size: 1,
      mode: expect.any(String),
      created: isoTime,
      modified: isoTime,
    });
    expect(lines[4]).toEqual({ path: 'd/link', type: 'other', reason: 'symlink' });
    expect(linesOf((await list('d/e')).text).map((line) => textAt(line, 'path'))).toEqual(['d/e/x']);
  });

  it('answers an empty folder with nothing, and thousands of entries whole', async () => {
    expect((await list()).text).toBe('');
    const files = Object.fromEntries(
      Array.from({ length: 900 }, (_, number) => [`d${number % 30}/f${number}`, '']),
    );
    await upload(own.ada, own.folder, files);
    expect(linesOf((await list()).text)).toHaveLength(930);
  });

  it('tells the CRC-32 of what is as it was uploaded, when asked to', async () => {
    await upload(own.ada, own.folder, { a: '123456789', 'd/b': '', 'd/c': 'upload' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await writeFile(join(data, 'd', 'c'), 'mount!');
    await writeFile(join(data, 'd', 'd'), 'mount!');
    const query = { recursive: 'true', digests: 'true' };
    const { text } = await own.ada.call('GET', own.folder.path('files'), { query });
    const sums = linesOf(text).map((line) => [textAt(line, 'path'), at(line, 'crc32')]);
    // The check value of CRC-32/ISO-HDLC.
    expect(sums).toEqual([
      ['a', 'cbf43926'],
      ['d', undefined],
      ['d/b', '00000000'],
      ['d/c', null],
      ['d/d', null],
    ]);
  });

  it('refuses what an ordinary listing refuses', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    for (const path of ['missing', 'a', 'a/x']) expectProblem(await list(path), 404, 'entry_not_found');
    expectProblem(await list('../x'), 400, 'path_invalid');
    const query = { recursive: 'true' };
    expectProblem(await people.bob.client.call('GET', own.folder.path('files'), { query }), 404, 'not_found');
    expectProblem(
      await own.ada.call('GET', own.folder.path('files'), { query: { recursive: 'perhaps' } }),
      400,
      'request_malformed',
    );
  });
}
