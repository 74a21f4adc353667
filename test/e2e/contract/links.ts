import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { at, listAt, textAt, textsAt } from '../support/json.ts';
import { exchangeRaw } from '../support/raw-socket.ts';
import { folderDir, readUsage } from '../support/tree-usage.ts';
import { createFolder, share, upload } from '../support/users.ts';
import { describeLinkBounds } from './link-bounds.ts';
import { describeLinkRights } from './link-rights.ts';
import { askForLink, makeLink } from './make-link.ts';
import { expectProblem, expectStatus, hexId, isoTime, uuid } from './rules.ts';
import { type FolderOfAda, type People, type Stage, useFolder, usePeople } from './stage.ts';

/** Names in a zip, by its central directory. */
function namesInZip(zip: Buffer): string[] {
  const names: string[] = [];
  for (let offset = zip.indexOf('PK\u0001\u0002'); offset !== -1; ) {
    const end = offset + 46 + zip.readUInt16LE(offset + 28);
    names.push(zip.subarray(offset + 46, end).toString('utf8'));
    offset = zip.indexOf('PK\u0001\u0002', end);
  }
  return names;
}

function describeMaking(stage: Stage, own: FolderOfAda): void {
  it('show their token once, and are listed, seen and revoked without it', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1' });
    const made = await askForLink(own, { path: 'd/', max_uses: 3, password: 'not so secret' });
    expectStatus(made, 201);
    const { token, url, ...shown } = Object(made.json);
    expect(token).toMatch(/^vf_lnk_[\w-]{49}$/);
    expect(url).toBe(`${stage.service.url}/l/${token}`);
    expect(made.headers.location).toBe(`/links/${shown.id}`);
    expect(shown).toEqual({
      id: uuid,
      kind: 'download',
      folder: hexId,
      folder_name: own.folder.name,
      path: 'd',
      state: 'active',
      made_by: expect.stringMatching(/^ada-/),
      has_password: true,
      max_uses: 3,
      uses: 0,
      created_at: isoTime,
      expires_at: isoTime,
      last_used_at: null,
    });
    expect((await own.ada.call('GET', `/links/${shown.id}`)).json).toEqual(shown);
    const listed = await own.ada.call('GET', '/links', { query: { folder: own.folder.name } });
    expect(listed.json).toEqual({ items: [shown], next_cursor: null });
    expect(listed.text).not.toContain(token);
    expectStatus(await own.ada.call('DELETE', `/links/${shown.id}`), 204);
    expectProblem(await own.ada.call('DELETE', `/links/${shown.id}`), 404, 'not_found');
    expectProblem(await own.ada.call('GET', `/links/${shown.id}`), 404, 'not_found');
  });

  it('are listed newest first, page by page', async () => {
    const made: string[] = [];
    for (let count = 0; count < 3; count += 1) made.unshift((await makeLink(own)).id);
    const ids: string[] = [];
    let cursor: unknown;
    do {
      const query = {
        folder: own.folder.id,
        limit: 2,
        ...(cursor === undefined ? {} : { cursor: String(cursor) }),
      };
      const { json } = await own.ada.call('GET', '/links', { query });
      ids.push(...textsAt(json, 'id', 'items'));
      cursor = at(json, 'next_cursor');
    } while (cursor !== null);
    expect(ids).toEqual(made);
    expectProblem(await own.ada.call('GET', '/links?cursor=x'), 400, 'request_malformed');
  });

  it('name the service as their caller does', async () => {
    const json = { folder: own.folder.name, expires_in: 60 };
    const headers = { Host: 'files.example.org:81' };
    const { json: made } = await own.ada.call('POST', '/links', { json, headers });
    expect(textAt(made, 'url')).toMatch(/^http:\/\/files\.example\.org:81\/l\/vf_lnk_/);
  });

  it.each([
    ['no end', { expires_in: undefined }],
    ['two ends', { expires_at: '2100-01-01T00:00:00Z' }],
    ['an end that is past', { expires_in: undefined, expires_at: '2020-01-01T00:00:00Z' }],
    ['an end too far off', { expires_in: 400 * 24 * 3_600 }],
    ['an end that is none', { expires_in: undefined, expires_at: 'tomorrow' }],
    ['no use at all', { max_uses: 0 }],
    ['a short password', { password: 'short' }],
    ['an unknown kind', { kind: 'both' }],
    ['NUL in the folder', { folder: 'a\0b', expires_in: 0 }],
  ])('are refused with %s', async (_what, wanted) => {
    expectProblem(await askForLink(own, wanted), 400, 'request_malformed');
  });

  it('lead to what is there, and uploads to a directory', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    await symlink('/etc/passwd', join(folderDir(stage.service.volumeRoot, own.folder.id), 'data', 'link'));
    expectProblem(await askForLink(own, { path: 'missing' }), 404, 'entry_not_found');
    expectProblem(await askForLink(own, { path: 'link' }), 400, 'entry_not_regular');
    expectProblem(await askForLink(own, { path: '../a' }), 400, 'path_invalid');
    expectProblem(await askForLink(own, { path: 'a', kind: 'upload' }), 404, 'entry_not_found');
  });
}

function describeDownloads(stage: Stage, own: FolderOfAda): void {
  const bearer = () => stage.service.client();

  it('send a file as any file is sent', async () => {
    await upload(own.ada, own.folder, { 'd/a b.txt': 'content' });
    const { path } = await makeLink(own, { path: 'd/a b.txt' });
    const whole = await bearer().call('GET', path);
    expectStatus(whole, 200);
    expect(whole.text).toBe('content');
    const direct = await own.ada.call('GET', own.folder.path('files', 'd', 'a b.txt'));
    for (const name of ['etag', 'last-modified', 'content-disposition', 'content-type', 'cache-control'])
      expect(whole.headers[name], name).toBe(direct.headers[name]);
    expect(whole.headers).toMatchObject({
      'content-security-policy': 'sandbox',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow',
      'content-disposition': 'attachment; filename="a b.txt"',
    });
    const part = await bearer().call('GET', path, { headers: { Range: 'bytes=3-' } });
    expect([part.status, part.text, part.headers['content-range']]).toEqual([206, 'tent', 'bytes 3-6/7']);
    const same = { headers: { 'If-None-Match': String(whole.headers.etag) } };
    expectStatus(await bearer().call('GET', path, same), 304);
    const head = await bearer().call('HEAD', path);
    expect([head.status, head.headers['content-length']]).toEqual([200, '7']);
    expectProblem(
      await bearer().call('GET', path, { headers: { Range: 'bytes=9-' } }),
      416,
      'range_not_satisfiable',
    );
    expectProblem(await bearer().call('GET', `${path}/below`), 404, 'entry_not_found');
  });

  it('send a directory as a zip that begins there, or as a listing', async () => {
    await upload(own.ada, own.folder, {
      'secret/plans/a': '1',
      'secret/plans/b/c': '22',
      'secret/other': 'x',
    });
    const { path } = await makeLink(own, { path: 'secret/plans' });
    const zip = await bearer().call('GET', path);
    expectStatus(zip, 200);
    expect(zip.headers['content-disposition']).toBe('attachment; filename="plans.zip"');
    expect(zip.headers['content-length']).toBe(String(zip.bytes.length));
    expect(namesInZip(zip.bytes)).toEqual(['a', 'b/', 'b/c']);
    expect(namesInZip((await bearer().call('GET', `${path}/b`)).bytes)).toEqual(['b/', 'b/c']);
    const headers = { Accept: 'application/json' };
    const listing = await bearer().call('GET', path, { headers });
    expect(textsAt(listing.json, 'name', 'items')).toEqual(['a', 'b']);
    expect(listing.headers['cache-control']).toBe('no-store');
    const below = await bearer().call('GET', `${path}/b?sort=-name&limit=1`, { headers });
    expect(below.json).toMatchObject({ path: 'b', items: [{ name: 'c', type: 'file', size: 2 }] });
    expect((await bearer().call('GET', `${path}/b/c`, { headers })).text).toBe('22');
    const head = await bearer().call('HEAD', path);
    expectStatus(head, 200);
    // Nobody walks over a tree for that.
    for (const name of ['content-length', 'etag']) expect(head.headers[name], name).toBeUndefined();
    for (const name of ['content-type', 'content-disposition'])
      expect(head.headers[name], name).toBe(zip.headers[name]);
  });

  it('reach a whole folder, and nothing beside what they lead to', async () => {
    await upload(own.ada, own.folder, { 'd/a': 'in', other: 'out' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await symlink('../other', join(data, 'd', 'up'));
    await symlink('/etc', join(data, 'd', 'etc'));
    const { path } = await makeLink(own, { path: 'd' });
    for (const below of ['..', '../other', '%2e%2e/other', '..%2fother', 'a/../../other', './../other']) {
      expectStatus(await bearer().call('GET', `${path}/${below}`), 400);
    }
    expectProblem(await bearer().call('GET', `${path}/up`), 400, 'entry_not_regular');
    expectProblem(await bearer().call('GET', `${path}/etc/passwd`), 404, 'entry_not_found');
    expectProblem(await bearer().call('GET', `${path}/other`), 404, 'entry_not_found');
    const whole = await makeLink(own);
    expect((await bearer().call('GET', `${whole.path}/other`)).text).toBe('out');
    const refused = await bearer().call('GET', `${path}/missing`);
    expect(refused.text).not.toContain(own.folder.name);
  });

  it('stay with their folder and path, whatever is renamed or named alike', async () => {
    await upload(own.ada, own.folder, { a: 'right' });
    const { path } = await makeLink(own, { path: 'a' });
    const dashed = own.folder.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    const decoy = await createFolder(own.ada, dashed);
    await own.ada.call('POST', own.folder.path('rename'), { json: { new_name: `${own.folder.name}-new` } });
    expect((await bearer().call('GET', path)).text).toBe('right');
    expectStatus(await own.ada.call('DELETE', `/folders/${decoy.id}`), 204);
    const renamed = { json: { target_path: 'a', new_name: 'b' } };
    expectStatus(await own.ada.call('POST', `/folders/${own.folder.id}/rename-file`, renamed), 200);
    expectProblem(await bearer().call('GET', path), 404, 'not_found');
  });
}

function describeUploads(stage: Stage, own: FolderOfAda): void {
  const bearer = () => stage.service.client();
  const read = async (path: string) =>
    (await own.ada.call('GET', own.folder.path('files', ...path.split('/')))).text;

  it('take one file as a body, and never replace another', async () => {
    await upload(own.ada, own.folder, { 'in/a.txt': 'before' });
    const { path, id } = await makeLink(own, { path: 'in', kind: 'upload' });
    const first = await bearer().call('PUT', `${path}/a.txt`, { body: 'one' });
    expectStatus(first, 201);
    expect(first.json).toMatchObject({ path: 'a (2).txt', size: 3 });
    const fresh = await bearer().call('PUT', `${path}/x/y.txt`, { body: 'new' });
    expect(fresh.json).toMatchObject({ path: 'x/y.txt' });
    for (const choice of ['fail', 'replace']) {
      const refused = await bearer().call('PUT', `${path}/a.txt?if_exists=${choice}`, { body: 'two' });
      expectProblem(refused, 400, 'request_malformed');
    }
    expect([await read('in/a.txt'), await read('in/a (2).txt'), await read('in/x/y.txt')]).toEqual([
      'before',
      'one',
      'new',
    ]);
    expect((await own.ada.call('GET', `/links/${id}`)).json).toMatchObject({ uses: 2 });
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({ live: { bytes: 12, files: 3 } });
  });

  it('take the files of a form, each under a name that is free', async () => {
    await upload(own.ada, own.folder, { a: 'before' });
    const { path } = await makeLink(own, { kind: 'upload' });
    const parts = ['a', 'b', 'c/d'].map((fileName) => ({ fileName, bytes: fileName }));
    const made = await bearer().call('POST', path, { parts });
    expectStatus(made, 201);
    expect(textsAt(made.json, 'path', 'files').toSorted()).toEqual(['a (2)', 'b', 'c/d']);
    expectProblem(await bearer().call('POST', `${path}?if_exists=fail`, { parts }), 400, 'request_malformed');
    expect([await read('a'), await read('a (2)'), await read('b')]).toEqual(['before', 'a', 'b']);
    expectProblem(await bearer().call('POST', path, { parts: [] }), 400, 'upload_empty');
    expectProblem(await bearer().call('POST', path, { json: {} }), 415, 'media_type_unsupported');
  });

  it('keep every file of a form, whatever others of it are called', async () => {
    await upload(own.ada, own.folder, { 'in/a.txt': 'before', 'in/x': 'before' });
    const { path, id } = await makeLink(own, { path: 'in', kind: 'upload' });
    const sent = ['a.txt', 'a (2).txt', 'IMG.jpg', 'IMG.jpg', 'x', 'x (2)/y', 'n', 'n/below'];
    const parts = sent.map((fileName, index) => ({ fileName, bytes: `content ${index}` }));
    const made = await bearer().call('POST', path, { parts });
    expectStatus(made, 201);
    const paths = textsAt(made.json, 'path', 'files');
    const kept = ['a (3).txt', 'a (2).txt', 'IMG.jpg', 'IMG (2).jpg', 'x (3)', 'x (2)/y', 'n (2)', 'n/below'];
    expect(paths).toEqual(kept);
    for (const [index, below] of paths.entries()) expect(await read(`in/${below}`)).toBe(`content ${index}`);
    expect([await read('in/a.txt'), await read('in/x')]).toEqual(['before', 'before']);
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({ live: { bytes: 84, files: 10 } });
    expect((await own.ada.call('GET', `/links/${id}`)).json).toMatchObject({ uses: 1 });
  });

  it.each(['..', '../x', 'a/../../x', '/x', '', 'a//b', '.', 'a\u0007'])(
    'refuse the name %j in a form',
    async (fileName) => {
      await upload(own.ada, own.folder, { 'in/keep': '1' });
      const { path } = await makeLink(own, { path: 'in', kind: 'upload' });
      const answer = await bearer().call('POST', path, { parts: [{ fileName, bytes: 'x' }] });
      expectProblem(answer, 400, 'path_invalid');
      expect(await readUsage(own.ada, own.folder.name)).toMatchObject({ live: { files: 1 } });
    },
  );

  it('tell nobody whether a name is taken before they have its content', async () => {
    await upload(own.ada, own.folder, { taken: 'x', 'd/e': 'x' });
    const { path, id } = await makeLink(own, { kind: 'upload' });
    for (const name of ['taken', 'free']) {
      for (const [header, value] of [
        ['If-None-Match', '*'],
        ['If-Match', '*'],
        ['If-Unmodified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
      ] as const) {
        const asked = await bearer().call('PUT', `${path}/${name}`, {
          body: 'x',
          headers: { [header]: value },
        });
        expectProblem(asked, 400, 'request_malformed');
      }
    }
    const { url } = stage.service;
    for (const name of ['taken', 'free', 'd', 'taken/below', 'free/below']) {
      const head = `PUT ${path}/${name} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Length: 1\r\n`;
      const asked = await exchangeRaw(url, `${head}Expect: 100-continue\r\n\r\n`);
      expect([name, asked.text]).toEqual([name, 'HTTP/1.1 100 Continue\r\n\r\n']);
    }
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({ live: { files: 2 } });
    await eventually(async () =>
      expect((await own.ada.call('GET', `/links/${id}`)).json).toMatchObject({ uses: 0 }),
    );
  });

  it('tell nothing of the folder when they refuse', async () => {
    await upload(own.ada, own.folder, { 'hidden/in/file': 'x' });
    const { path } = await makeLink(own, { path: 'hidden/in', kind: 'upload' });
    const conflict = await bearer().call('PUT', `${path}/file/below`, { body: 'x' });
    expectProblem(conflict, 400, 'entry_conflict');
    const { url } = stage.service;
    const head = `PUT ${path}/large HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Length: ${2 ** 40}\r\n`;
    const large = await exchangeRaw(url, `${head}Expect: 100-continue\r\n\r\n`);
    expect([large.status, large.text]).toEqual([507, expect.stringContaining('"quota_exceeded"')]);
    expect(large.text).not.toMatch(/HTTP\/1.1 100|"limit"|"used"/);
    expect(conflict.text).not.toMatch(/hidden|job_id/);
  });
}

/** Links: made, listed and revoked by their makers, used by whoever has them. */
export function describeLinks(stage: Stage): void {
  const people: People = usePeople(stage);
  const own = useFolder(people);
  describe('when they are made', () => describeMaking(stage, own));
  describe('for downloads', () => describeDownloads(stage, own));
  describe('for uploads', () => describeUploads(stage, own));
  describe('and their bounds', () => describeLinkBounds(stage, own));
  describe('and the rights of who makes them', () => describeLinkRights(stage, people, own));

  it('of a folder are seen and revoked by its owner, whoever made them', async () => {
    const { bob } = people;
    await share(own.folder, own.ada, { user: bob, permission: 'ro' });
    const link = await makeLink(own, {}, bob.client);
    const hers = await own.ada.call('GET', '/links', { query: { folder: own.folder.id } });
    expect(listAt(hers.json, 'items')).toEqual([
      expect.objectContaining({ id: link.id, made_by: bob.email, folder_name: own.folder.name }),
    ]);
    expect(textsAt((await own.ada.call('GET', '/links')).json, 'id', 'items')).toContain(link.id);
    const adas = await makeLink(own);
    const his = await bob.client.call('GET', '/links', { query: { folder: own.folder.id } });
    expect(textsAt(his.json, 'id', 'items')).toEqual([link.id]);
    for (const method of ['GET', 'DELETE'])
      expectProblem(await bob.client.call(method, `/links/${adas.id}`), 404, 'not_found');
    expectStatus(await own.ada.call('DELETE', `/links/${link.id}`), 204);
    expectProblem(await stage.service.client().call('GET', link.path), 404, 'not_found');
  });

  it('of everybody are seen and revoked by administrators, and by nobody else', async () => {
    const { ada, bob } = people;
    const { administrator } = stage.service;
    const [first, second] = [await makeLink(own, { path: '' }), await makeLink(own)];
    const list = (query: Record<string, string>) => administrator.call('GET', '/admin/links', { query });
    const page = await list({ user: ada.email, folder: own.folder.id, limit: '1' });
    expectStatus(page, 200);
    expect(listAt(page.json, 'items')).toEqual([(await own.ada.call('GET', `/links/${second.id}`)).json]);
    const next = await list({ folder: own.folder.id, cursor: textAt(page.json, 'next_cursor') });
    expect(textsAt(next.json, 'id', 'items')).toEqual([first.id]);
    expect(listAt((await list({ user: bob.email, folder: own.folder.id })).json, 'items')).toEqual([]);
    expectProblem(await list({ user: 'nobody@example.org' }), 404, 'not_found');
    for (const query of [{ folder: 'x' }, { cursor: 'x' }, { limit: '0' }])
      expectProblem(await list(query), 400, 'request_malformed');
    expectProblem(await own.ada.call('GET', '/admin/links'), 403, 'admin_required');
    expectProblem(await own.ada.call('DELETE', `/admin/links/${first.id}`), 403, 'admin_required');
    expectStatus(await administrator.call('DELETE', `/admin/links/${first.id}`), 204);
    for (const id of [first.id, 'x'])
      expectProblem(await administrator.call('DELETE', `/admin/links/${id}`), 404, 'not_found');
    expectProblem(await stage.service.client().call('GET', first.path), 404, 'not_found');
    const log = await administrator.call('GET', '/admin/audit', { query: { subject: first.id, limit: '1' } });
    expect(listAt(log.json, 'items')).toMatchObject([
      { action: 'link.revoke', folder: own.folder.id, details: { maker: ada.id } },
    ]);
  });

  it('leave word of who made, first used and revoked them', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const link = await makeLink(own, { path: 'a' });
    for (let times = 0; times < 2; times += 1)
      expectStatus(await stage.service.client().call('GET', link.path), 200);
    await own.ada.call('DELETE', `/links/${link.id}`);
    const log = await stage.service.administrator.call('GET', '/admin/audit', {
      query: { subject: link.id },
    });
    expect(textsAt(log.json, 'action', 'items')).toEqual(['link.revoke', 'link.use', 'link.create']);
    expect(log.text).not.toContain(link.token);
  });
}
