import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Answer, pathOf } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { at, listAt, textAt, textsAt } from '../support/json.ts';
import { setFolderLimits } from '../support/limits.ts';
import { makeBoundary, multipart, type Part, streamedMultipart } from '../support/multipart.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, upload } from '../support/users.ts';
import { expectProblem, expectStatus, hexId } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

async function read(own: FolderOfAda, path: string): Promise<Buffer> {
  const answer = await own.ada.call('GET', own.folder.path('files') + pathOf(...path.split('/')));
  expectStatus(answer, 200);
  return answer.bytes;
}

const send = (
  own: FolderOfAda,
  parts: readonly Part[],
  headers: Record<string, string> = {},
): Promise<Answer> => own.ada.call('POST', own.folder.path('upload'), { parts, headers });

/** Nothing of a refused upload may stay behind, anywhere. */
async function expectNothingLeft(
  stage: Stage,
  own: FolderOfAda,
  files: number,
  bytes: number,
): Promise<void> {
  const none = { files: 0, bytes: 0 };
  const kept = { files, bytes };
  expect(await treeUsage(stage.service.volumeRoot, own.folder.id)).toEqual({
    data: kept,
    stage: none,
    trash: none,
  });
  expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
    live: kept,
    reserved: none,
    trash: none,
  });
}

function describeSuccess(stage: Stage, own: FolderOfAda): void {
  it('stores files under their paths, makes parents and tells sizes and digests', async () => {
    const answer = await send(own, [
      { fileName: 'a.txt', bytes: 'hello' },
      { fileName: 'deep/er/b.bin', bytes: randomBytes(300_000), field: 'anything' },
      { fileName: 'empty', bytes: '' },
    ]);
    expectStatus(answer, 201);
    expect(listAt(answer.json, 'files')).toHaveLength(3);
    expect(at(answer.json, 'files')).toEqual(
      expect.arrayContaining([
        {
          path: 'a.txt',
          size: 5,
          sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
        },
        expect.objectContaining({ path: 'deep/er/b.bin', size: 300_000 }),
        expect.objectContaining({ path: 'empty', size: 0 }),
      ]),
    );
    expect((await read(own, 'a.txt')).toString()).toBe('hello');
    expect(await read(own, 'empty')).toHaveLength(0);
    await expectNothingLeft(stage, own, 3, 300_005);
  });

  it('replaces a file that exists and counts the difference', async () => {
    await upload(own.ada, own.folder, { f: 'first version', 'd/g': '1' });
    await upload(own.ada, own.folder, { f: 'second', 'd/g': '' });
    expect((await read(own, 'f')).toString()).toBe('second');
    expect(await read(own, 'd/g')).toHaveLength(0);
    await expectNothingLeft(stage, own, 2, 6);
  });

  it('keeps the last of files sent twice in a request', async () => {
    const answer = await send(own, [
      { fileName: 'f', bytes: 'one' },
      { fileName: 'g', bytes: '1' },
      { fileName: 'f', bytes: 'three' },
    ]);
    expectStatus(answer, 201);
    expect((await read(own, 'f')).toString()).toBe('three');
    await expectNothingLeft(stage, own, 2, 6);
  });

  it('stores 60 files of one request', async () => {
    const parts = Array.from({ length: 60 }, (_, number) => ({
      fileName: `d${number % 7}/f${number}`,
      bytes: `${number}`,
    }));
    expectStatus(await send(own, parts), 201);
    expect((await read(own, 'd3/f59')).toString()).toBe('59');
    const { live } = await readUsage(own.ada, own.folder.name);
    expect(live.files).toBe(60);
  });

  it('takes a body of unknown length', async () => {
    const chunk = randomBytes(65_536);
    function* generate() {
      for (let number = 0; number < 40; number += 1) yield chunk;
    }
    const { contentType, body } = streamedMultipart([{ fileName: 'big', source: generate() }]);
    const answer = await own.ada.call('POST', own.folder.path('upload'), {
      body,
      headers: { 'Content-Type': contentType },
    });
    expectStatus(answer, 201);
    const stored = await read(own, 'big');
    expect(stored.equals(Buffer.concat([...generate()]))).toBe(true);
  });

  it('skips parts that are no files', async () => {
    const answer = await send(own, [
      { bytes: 'a field', field: 'note' },
      { fileName: 'f', bytes: '1' },
    ]);
    expectStatus(answer, 201);
    expect(textsAt(answer.json, 'path', 'files')).toEqual(['f']);
  });

  it('takes a quoted boundary, odd boundaries and upper case in the content type', async () => {
    for (const boundary of ["a'()+_,-./:=? b", 'x'.repeat(70), '-']) {
      const { body } = multipart([{ fileName: 'f', bytes: boundary }], boundary);
      const headers = { 'Content-Type': `Multipart/Form-Data; charset=utf-8; BOUNDARY="${boundary}"` };
      expectStatus(await own.ada.call('POST', own.folder.path('upload'), { body, headers }), 201);
      expect((await read(own, 'f')).toString()).toBe(boundary);
    }
  });

  it('keeps bytes that look like boundaries and line ends', async () => {
    const boundary = makeBoundary();
    const bytes = Buffer.from(
      `\r\n--${boundary.slice(0, -1)}\r\n--\r\n\r\n--${boundary}x`.replace(`--${boundary}x`, '\r\n-'),
    );
    const { contentType, body } = multipart([{ fileName: 'f', bytes }], boundary);
    const headers = { 'Content-Type': contentType };
    expectStatus(await own.ada.call('POST', own.folder.path('upload'), { body, headers }), 201);
    expect(await read(own, 'f')).toEqual(bytes);
  });

  it('accepts a signature that does not cover the body, and refuses one that must', async () => {
    const parts = [{ fileName: 'signed', bytes: '1' }];
    const path = own.folder.path('upload');
    for (const version of ['v4.20190615', 'v2.20170315', undefined]) {
      const auth = { hmac: version === undefined ? {} : { version } };
      expectStatus(await own.ada.call('POST', path, { parts, auth }), 201);
    }
  });
}

function describePreference(own: FolderOfAda): void {
  it('answers 202 with Prefer: respond-async, and the job ends with the file in place', async () => {
    const answer = await send(own, [{ fileName: 'f', bytes: 'later' }], { Prefer: 'respond-async' });
    expectStatus(answer, 202);
    expect(answer.headers['preference-applied']).toBe('respond-async');
    const job = await awaitJob(own.ada, jobIdIn(answer.headers));
    expect(job).toMatchObject({ kind: 'upload.commit', state: 'succeeded' });
    expect(at(job.body, 'result', 'files')).toEqual([expect.objectContaining({ path: 'f', size: 5 })]);
    expect((await read(own, 'f')).toString()).toBe('later');
  });

  it('answers as usual within Prefer: wait, and 202 when nothing may be waited for', async () => {
    const waited = await send(own, [{ fileName: 'f', bytes: '1' }], { Prefer: 'wait=30' });
    expectStatus(waited, 201);
    const both = await send(own, [{ fileName: 'f', bytes: '1' }], { Prefer: 'respond-async, wait=30' });
    expectStatus(both, 201);
    const none = await send(own, [{ fileName: 'f', bytes: '12' }], { Prefer: 'wait=0' });
    expectStatus(none, 202);
    expect(none.headers['preference-applied']).toBe('wait=0');
    await awaitJob(own.ada, jobIdIn(none.headers));
    expect((await read(own, 'f')).toString()).toBe('12');
  });

  it('ignores preferences it cannot read', async () => {
    for (const prefer of ['wait=soon', 'wait=-1', 'return=minimal', ';;;', 'handling="']) {
      expectStatus(await send(own, [{ fileName: 'f', bytes: '1' }], { Prefer: prefer }), 201);
    }
  });
}

function describeConflicts(stage: Stage, own: FolderOfAda): void {
  it('refuses a directory as target and a file on the way, and keeps what is there', async () => {
    await upload(own.ada, own.folder, { 'd/x': '1', f: '22' });
    const fine = { fileName: 'new/fine', bytes: '1' };
    expectProblem(await send(own, [{ fileName: 'd', bytes: 'no' }]), 400, 'entry_conflict');
    expectProblem(await send(own, [fine, { fileName: 'd', bytes: 'no' }]), 400, 'entry_conflict');
    expectProblem(await send(own, [fine, { fileName: 'f/g', bytes: 'no' }]), 400, 'entry_conflict');
    expectProblem(await send(own, [{ fileName: 'f/g', bytes: 'no' }]), 400, 'entry_conflict');
    expectProblem(await send(own, [{ fileName: 'f/g/h', bytes: 'no' }]), 400, 'entry_conflict');
    expect((await read(own, 'f')).toString()).toBe('22');
    await expectNothingLeft(stage, own, 2, 3);
  });

  it('refuses a request whose own paths exclude each other', async () => {
    const parts = [
      { fileName: 'a', bytes: '1' },
      { fileName: 'b', bytes: '1' },
      { fileName: 'a/b', bytes: '1' },
    ];
    expectProblem(await send(own, parts), 400, 'entry_conflict');
    expectProblem(await send(own, parts.toReversed()), 400, 'entry_conflict');
    await expectNothingLeft(stage, own, 0, 0);
  });
}

const nastyNames: readonly (readonly [name: string, disposition: string])[] = [
  ['an empty name', 'form-data; name="src"; filename=""'],
  ['a parent', 'form-data; name="src"; filename=".."'],
  ['a path out', 'form-data; name="src"; filename="../out"'],
  ['a path out in the middle', 'form-data; name="src"; filename="a/../../out"'],
  ['an absolute path', 'form-data; name="src"; filename="/etc/passwd"'],
  ['a dot', 'form-data; name="src"; filename="."'],
  ['a trailing slash', 'form-data; name="src"; filename="a/"'],
  ['an empty component', 'form-data; name="src"; filename="a//b"'],
  ['a dot component', 'form-data; name="src"; filename="./a"'],
  ['bytes that are not UTF-8', 'form-data; name="src"; filename="a\xff\xfe"'],
  ['a control character', 'form-data; name="src"; filename="a\x01b"'],
  ['an escaped newline', 'form-data; name="src"; filename="a%0Ab"'],
  ['an override of direction', 'form-data; name="src"; filename="a\xe2\x80\xaeb"'],
  ['256 bytes', `form-data; name="src"; filename="${'x'.repeat(256)}"`],
  ['65 levels', `form-data; name="src"; filename="${'a/'.repeat(64)}a"`],
  ['a broken extended value', 'form-data; name="src"; filename*=utf-8\'\'%zz'],
  ['another charset', 'form-data; name="src"; filename*=utf-16\'\'ab'],
  ['an extended path out', 'form-data; name="src"; filename*=utf-8\'\'..%2Fout'],
  ['a reserved name', 'form-data; name="src"; filename=".zfs/x"'],
];

function describeRefusals(stage: Stage, own: FolderOfAda): void {
  it.each(nastyNames)('refuses %s as file name, with everything beside it', async (_what, disposition) => {
    const answer = await send(own, [
      { fileName: 'fine', bytes: '1' },
      { disposition, bytes: '2' },
    ]);
    expectProblem(answer, 400, 'path_invalid');
    await expectNothingLeft(stage, own, 0, 0);
  });

  it.each([
    ['JSON', 'application/json', '{}', 415, 'media_type_unsupported'],
    ['no type', '', 'x', 415, 'media_type_unsupported'],
    ['another multipart', 'multipart/mixed; boundary=x', '--x--', 415, 'media_type_unsupported'],
    ['a form', 'application/x-www-form-urlencoded', 'a=b', 415, 'media_type_unsupported'],
    ['no boundary', 'multipart/form-data', 'x', 400, 'request_malformed'],
    ['an empty boundary', 'multipart/form-data; boundary=', 'x', 400, 'request_malformed'],
    ['a boundary of 71', `multipart/form-data; boundary=${'b'.repeat(71)}`, 'x', 400, 'request_malformed'],
    ['no parts', 'multipart/form-data; boundary=b', '--b--\r\n', 400, 'upload_empty'],
    [
      'a field only',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
      400,
      'upload_empty',
    ],
    ['garbage', 'multipart/form-data; boundary=b', 'garbage', 400, 'request_malformed'],
    [
      'a part cut off',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nhalf',
      400,
      'request_malformed',
    ],
    ['a head cut off', 'multipart/form-data; boundary=b', '--b\r\nContent-Dispo', 400, 'request_malformed'],
    [
      'no last boundary',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n--b',
      400,
      'request_malformed',
    ],
  ] as const)('refuses %s', async (_what, type, body, status, code) => {
    const headers = type === '' ? {} : { 'Content-Type': type };
    expectProblem(await own.ada.call('POST', own.folder.path('upload'), { body, headers }), status, code);
    await expectNothingLeft(stage, own, 0, 0);
  });

  it('refuses an empty body', async () => {
    const headers = { 'Content-Type': 'multipart/form-data; boundary=b' };
    const answer = await own.ada.call('POST', own.folder.path('upload'), { body: '', headers });
    expect(answer.status, answer.text).toBe(400);
    const bare = await own.ada.call('POST', own.folder.path('upload'));
    expectProblem(bare, 415, 'media_type_unsupported');
  });

  it('refuses an encoded body', async () => {
    const headers = { 'Content-Encoding': 'gzip' };
    expectProblem(await send(own, [{ fileName: 'f', bytes: '1' }], headers), 415, 'media_type_unsupported');
  });

  it('does not find a folder that is not there, before reading the body', async () => {
    const answer = await own.ada.call('POST', '/folders/nowhere/upload', {
      parts: [{ fileName: 'f', bytes: randomBytes(100_000) }],
    });
    expectProblem(answer, 404, 'not_found');
  });
}

function describeLimits(stage: Stage, own: FolderOfAda): void {
  it('refuses what does not fit with 507 and the figures, and takes what fits to the byte', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 100 });
    await upload(own.ada, own.folder, { f: 'x'.repeat(60) });
    const answer = await send(own, [{ fileName: 'g', bytes: 'x'.repeat(41) }]);
    expectProblem(answer, 507, 'quota_exceeded');
    expect(answer.json).toMatchObject({ limit: 100, used: 60, reserved: 0, requested: 41 });
    await expectNothingLeft(stage, own, 1, 60);
    expectStatus(await send(own, [{ fileName: 'g', bytes: 'x'.repeat(40) }]), 201);
    await expectNothingLeft(stage, own, 2, 100);
    expectProblem(await send(own, [{ fileName: 'h', bytes: 'x' }]), 507, 'quota_exceeded');
    expectStatus(await send(own, [{ fileName: 'empty', bytes: '' }]), 201);
  });

  it('refuses what could never fit with 413', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 100 });
    const answer = await send(own, [{ fileName: 'g', bytes: 'x'.repeat(101) }]);
    expectProblem(answer, 413, 'quota_exceeded');
    expect(answer.json).toMatchObject({ limit: 100, used: 0, reserved: 0, requested: 101 });
    await expectNothingLeft(stage, own, 0, 0);
  });

  it('refuses a large file in the middle of its stream and gives back what was reserved', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 1_000_000 });
    const answer = await send(own, [{ fileName: 'g', bytes: randomBytes(3_000_000) }]);
    expect([413, 507]).toContain(answer.status);
    await expectNothingLeft(stage, own, 0, 0);
  });

  it('frees room by deleting, at once', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 100 });
    for (let round = 0; round < 5; round += 1) {
      await upload(own.ada, own.folder, { f: 'x'.repeat(100) });
      const deleted = await own.ada.call('DELETE', own.folder.path('delete_files'), {
        json: { files: ['f'] },
      });
      expectStatus(deleted, 200);
    }
  });

  it('holds exactly 1,000 files', async () => {
    const batch = (start: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        fileName: `d${(start + index) % 10}/f${start + index}`,
        bytes: 'x',
      }));
    expectStatus(await send(own, batch(0, 600)), 201);
    const over = await send(own, batch(600, 401));
    expectProblem(over, 507, 'quota_exceeded');
    expect(over.json).toMatchObject({ resource: 'files', limit: 1000 });
    await expectNothingLeft(stage, own, 600, 600);
    expectStatus(await send(own, batch(600, 400)), 201);
    const one = await send(own, [{ fileName: 'last', bytes: '' }]);
    expectProblem(one, 507, 'quota_exceeded');
    expect(one.json).toMatchObject({ resource: 'files', limit: 1000, used: 1000, reserved: 0, requested: 1 });
    await expectNothingLeft(stage, own, 1000, 1000);
  });

  it('lets exactly as many concurrent uploads in as there is room for', async () => {
    await setFolderLimits(stage.service, own.folder.id, { bytes: 1000 });
    const sends = Array.from({ length: 16 }, (_, number) =>
      send(own, [{ fileName: `f${number}`, bytes: 'x'.repeat(125) }]),
    );
    const answers = await Promise.all(sends);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(8);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 507, 'quota_exceeded');
    await expectNothingLeft(stage, own, 8, 1000);
  });

  it('counts each folder by itself', async () => {
    const other = await createFolder(own.ada);
    await setFolderLimits(stage.service, own.folder.id, { bytes: 1 });
    expect(other.id).toEqual(hexId);
    await upload(own.ada, other, { f: 'xx' });
    expect(textAt((await send(own, [{ fileName: 'f', bytes: 'xx' }])).json, 'code')).toBe('quota_exceeded');
  });
}

/** Upload files, against every limit and with every kind of broken body. */
export function describeUploads(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('stored files', () => describeSuccess(stage, own));
  describe('preferences', () => describePreference(own));
  describe('conflicts', () => describeConflicts(stage, own));
  describe('refusals', () => describeRefusals(stage, own));
  describe('limits', () => describeLimits(stage, own));
}
