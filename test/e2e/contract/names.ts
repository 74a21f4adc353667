import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { at, textAt, textsAt } from '../support/json.ts';
import { multipart } from '../support/multipart.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

const names: readonly string[] = [
  'plain.txt',
  'with space.txt',
  ' leading and trailing ',
  '100%.txt',
  '%41%2F%00.txt',
  'plus+plus.txt',
  'quote".txt',
  "apostrophe'.txt",
  'semi;colon=equals.txt',
  'back\\slash.txt',
  '-rf',
  '--',
  '.hidden',
  '..three',
  '...',
  '*?[a-z]{x,y}$HOME`id`',
  'a&b=c?d#e',
  'naïve-NFC-é.txt',
  'nai\u0308ve-NFD.txt',
  '데이터.txt',
  '👩‍👩‍👧‍👦',
  '<script>alert(1)</script>'.replace('/', '|'),
  'x'.repeat(255),
  'é'.repeat(127),
  '~',
  'CON',
  'name.',
  'constructor',
  '__proto__',
  'sub/dir with space/d%e+f',
];

/** The bytes the service has on its disk and wire are the bytes that were sent, whatever the name. */
async function roundTrip(own: FolderOfAda, name: string): Promise<void> {
  const content = `content of ${name}`;
  const uploaded = await own.ada.call('POST', own.folder.path('upload'), {
    parts: [{ fileName: name, bytes: content }],
  });
  expectStatus(uploaded, 201);
  expect(textsAt(uploaded.json, 'path', 'files')).toEqual([name]);
  const parent = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '';
  const base = name.slice(name.lastIndexOf('/') + 1);
  const listed = await own.ada.call('GET', own.folder.path('files'), { query: { path: parent } });
  expect(textsAt(listed.json, 'name', 'items')).toEqual([base]);
  expect(at(JSON.parse(textAt(listed.json, 'files')), 0, 'filename')).toBe(base);
  const read = await own.ada.call('GET', own.folder.path('files', ...name.split('/')));
  expect(read.text).toBe(content);
  for (const options of [{ query: { files: name } }, { json: { files: [name] } }]) {
    const downloaded = await own.ada.call('GET', own.folder.path('download'), options);
    expectStatus(downloaded, 200);
    expect(gunzipSync(downloaded.bytes).toString()).toBe(content);
  }
  const deleted = await own.ada.call('DELETE', own.folder.path('delete_files'), { json: { files: [name] } });
  expectStatus(deleted, 200);
  expectProblem(
    await own.ada.call('GET', own.folder.path('files', ...name.split('/'))),
    404,
    'entry_not_found',
  );
}

/** Sends a file of this name and content by every way but multipart, one after the other; each replaces the one before. */
async function* uploadByEveryWay(stage: Stage, own: FolderOfAda, name: string): AsyncIterable<Buffer> {
  const contents = ['put', 'tus', 'token'].map((way) => Buffer.from(`${way}: ${name}`));
  const [put, resumable, token] = contents;
  if (put === undefined || resumable === undefined || token === undefined) return;
  const path = own.folder.path('files', ...name.split('/'));
  expectStatus(await own.ada.call('PUT', path, { body: put }), 201);
  yield put;
  const made = await tus(own.ada, 'POST', '/uploads', {
    headers: {
      'Upload-Length': String(resumable.length),
      'Upload-Metadata': metadataOf({ folder: own.folder.name, path: name }),
    },
  });
  expectStatus(made, 201);
  const location = new URL(made.headers.location ?? '', own.ada.url);
  expectStatus(await patch(own.ada, `${location.pathname}${location.search}`, 0, resumable), 204);
  yield resumable;
  const json = { path: name, size: token.length };
  const asked = await own.ada.call('POST', own.folder.path('request-upload'), { json });
  expectStatus(asked, 200);
  const bearer = stage.service.client();
  expectStatus(await patch(bearer, `/upload?token=${textAt(asked.json, 'token')}`, 0, token), 204);
  yield token;
}

/** Names of files, through every route. */
export function describeNames(stage: Stage): void {
  const own = useFolder(usePeople(stage));

  it.each(names)('keeps %j through PUT, a resumable upload and an upload by token', async (name) => {
    const base = name.slice(name.lastIndexOf('/') + 1);
    for await (const content of uploadByEveryWay(stage, own, name)) {
      const parent = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '';
      const listed = await own.ada.call('GET', own.folder.path('files'), { query: { path: parent } });
      expect(textsAt(listed.json, 'name', 'items')).toEqual([base]);
      const asked = await own.ada.call('POST', own.folder.path('request-download'), { json: { path: name } });
      const token = textAt(asked.json, 'token');
      expect((await stage.service.client().call('GET', `/download?token=${token}`)).bytes).toEqual(content);
    }
  });

  it.each(names)('keeps %j through upload, listing, reading, download and deletion', async (name) => {
    await roundTrip(own, name);
  });

  it('makes directories of any name', async () => {
    for (const path of ['a b%20+c', '-x', 'ü', '"']) {
      expectStatus(await own.ada.call('POST', own.folder.path('mkdir'), { json: { path } }), 201);
    }
    const listed = await own.ada.call('GET', own.folder.path('files'));
    expect(textsAt(listed.json, 'name', 'items').toSorted()).toEqual(['"', '-x', 'a b%20+c', 'ü'].toSorted());
  });

  it.each([
    [
      'percent-encoded by aiohttp, known by its boundary',
      'd41d8cd98f00b204e9800998ecf8427e',
      'sub%2Fb%20c%2B.bin',
    ],
    ['in the extended form of RFC 5987', undefined, "*=UTF-8''sub%2Fb%20c%2B.bin"],
    ['raw, with quotes escaped by a backslash', undefined, 'sub/\\"b\\" c+.bin'],
  ])('reads a name written %s', async (_how, boundary, written) => {
    const parameter = written.startsWith('*') ? `filename${written}` : `filename="${written}"`;
    const part = { disposition: `form-data; name="src"; ${parameter}`, bytes: '1' };
    const { contentType, body } = multipart([part], boundary);
    const headers = { 'Content-Type': contentType };
    const answer = await own.ada.call('POST', own.folder.path('upload'), { body, headers });
    expectStatus(answer, 201);
    const expected = written.includes('\\') ? 'sub/"b" c+.bin' : 'sub/b c+.bin';
    expect(textsAt(answer.json, 'path', 'files')).toEqual([expected]);
  });
}
