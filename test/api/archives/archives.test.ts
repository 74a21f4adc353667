import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { and, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archives } from '../../../db/schema/archives.ts';
import { members } from '../../../db/schema/members.ts';
import { readTar } from '../../storage/archive/read-tar.ts';
import { readZip } from '../../storage/archive/read-zip.ts';
import { eventually } from '../../support/eventually.ts';
import { insertTestMember } from '../../support/factories.ts';
import {
  type DownloadService,
  type Reader,
  startDownloadService,
  type TestFolder,
} from '../downloads/download-service.ts';

let service: DownloadService;
let owner: Reader;
let folder: TestFolder;
const content = randomBytes(700_000);

beforeAll(async () => {
  service = await startDownloadService();
  owner = await service.signUp();
  folder = await service.createFolder(owner, 'data');
  await folder.write('tree/content', content);
  await folder.write('tree/a b', 'small');
});

afterAll(() => service.close());

interface Built {
  readonly id: string;
  readonly url: string;
  readonly result: Record<string, unknown>;
}

async function build(reader: Reader, body: Record<string, unknown>, folderName = 'data'): Promise<Built> {
  const headers = { prefer: 'wait=60' };
  const answer = await reader.send('POST', `/folders/${folderName}/archives`, { body, headers });
  expect(answer.status, answer.body.toString()).toBe(201);
  const { id, result } = JSON.parse(answer.body.toString());
  expect(answer.headers.location).toBe(`/archives/${id}`);
  return { id, url: `/archives/${id}`, result };
}

describe('archives', () => {
  it('are accepted with 202, built by a job, and downloaded with exact length and digest', async () => {
    const body = { files: ['tree'] };
    const accepted = await owner.send('POST', '/folders/data/archives', { body });
    expect(accepted.status).toBe(202);
    const { id, job } = JSON.parse(accepted.body.toString());
    expect([job, accepted.headers.location]).toEqual([`/jobs/${id}`, `/jobs/${id}`]);
    const done = await eventually(async () => {
      const view = JSON.parse((await owner.get(`/jobs/${id}`)).body.toString());
      expect(view.state).toBe('succeeded');
      return view;
    });
    expect(done.progress).toEqual({ entries: 3, bytes: 700_005, of: { entries: 3, bytes: 700_005 } });
    const answer = await owner.get(done.result.url);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/zip',
      'content-length': String(done.result.size),
      'content-disposition': 'attachment; filename="tree.zip"',
      'accept-ranges': 'bytes',
    });
    expect(createHash('sha256').update(answer.body).digest('hex')).toBe(done.result.sha256);
    const entries = readZip(answer.body);
    expect(entries.map(({ name }) => name)).toEqual(['tree', 'tree/a b', 'tree/content']);
    expect(entries[2]?.content.equals(content)).toBe(true);
  });

  it('answer 201 to a caller that waits, in every format and under a chosen name', async () => {
    const { url } = await build(owner, { files: ['tree/a b'], format: 'tar.gz', name: 'Größe.tgz' });
    const answer = await owner.get(url);
    expect(answer.headers['content-type']).toBe('application/gzip');
    expect(answer.headers['content-disposition']).toContain("filename*=UTF-8''Gr%C3%B6%C3%9Fe.tgz");
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(readTar(gunzipSync(answer.body)).map(({ name }) => name)).toEqual(['tree/a b']);
  });

  it('are resumable: ranges, tags, HEAD', async () => {
    const { url, result } = await build(owner, { files: ['tree'], format: 'tar' });
    const whole = await owner.get(url);
    const rest = await owner.get(url, { range: 'bytes=1000-', 'if-range': whole.headers.etag ?? '' });
    expect(rest.status).toBe(206);
    expect(Buffer.concat([whole.body.subarray(0, 1000), rest.body]).equals(whole.body)).toBe(true);
    const head = await owner.send('HEAD', url);
    expect(head.headers['content-length']).toBe(String(result.size));
    expect((await owner.get(url, { 'if-none-match': whole.headers.etag ?? '' })).status).toBe(304);
  });

  it('name what they could not hold', async () => {
    await symlink('/etc/passwd', join(folder.data, 'tree', 'link'));
    const { result } = await build(owner, { files: ['tree'] });
    expect(result).toMatchObject({ skipped_count: 1, skipped: [{ path: 'tree/link', reason: 'symlink' }] });
    await rename(join(folder.data, 'tree', 'link'), join(folder.data, 'link'));
  });

  it('refuse what is malformed, missing or not for the caller', async () => {
    const post = (body: Record<string, unknown>, reader = owner) =>
      reader.send('POST', '/folders/data/archives', { body });
    expect((await post({})).status).toBe(400);
    expect((await post({ files: [] })).status).toBe(400);
    expect((await post({ files: ['tree'], format: 'rar' })).status).toBe(400);
    expect((await post({ files: ['tree'], name: 'a/b' })).status).toBe(400);
    expect((await post({ files: ['tree'], name: 'a\r\nb' })).status).toBe(400);
    expect((await post({ files: ['tree', 'missing'] })).status).toBe(404);
    expect((await post({ files: ['link'] })).status).toBe(400);
    const stranger = await service.signUp();
    expect((await post({ files: ['tree'] }, stranger)).status).toBe(404);
    const { url } = await build(owner, { files: ['tree'] });
    const foreign = await stranger.get(url);
    expect(foreign.status).toBe(404);
    for (const id of [randomUUID(), 'nonsense', '%00']) {
      expect([400, 404]).toContain((await owner.get(`/archives/${id}`)).status);
    }
    expect((await owner.get(`/archives/${randomUUID()}`)).status).toBe(404);
  });

  it('are gone for a member whose right was taken away, and for everyone once expired', async () => {
    const guest = await service.signUp();
    await insertTestMember(service.database.db, {
      folderId: folder.id,
      userId: guest.userId,
      name: 'shared',
      permission: 'ro',
    });
    const { id, url } = await build(guest, { files: ['tree'] }, 'shared');
    expect((await guest.get(url)).status).toBe(200);
    expect((await owner.get(url)).status).toBe(404);
    await service.database.db
      .delete(members)
      .where(and(eq(members.folderId, folder.id), eq(members.userId, guest.userId)));
    expect((await guest.get(url)).status).toBe(404);

    const own = await build(owner, { files: ['tree'] });
    await service.database.db.update(archives).set({ expiresAt: sql`now()` }).where(eq(archives.id, own.id));
    expect((await owner.get(own.url)).status).toBe(404);
    expect(id).not.toBe(own.id);
  });
});
