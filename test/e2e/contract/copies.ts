import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Client, pathOf } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { at, textAt, textsAt } from '../support/json.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, share, upload } from '../support/users.ts';
import { expectProblem, expectStatus, hexId } from './rules.ts';
import { type FolderOfAda, type People, type Stage, useFolder, usePeople } from './stage.ts';

async function namesIn(client: Client, folder: string, path = ''): Promise<string[]> {
  const answer = await client.call('GET', pathOf('folders', folder, 'files'), { query: { path } });
  return textsAt(answer.json, 'name', 'items');
}

function describeCopy(stage: Stage, own: FolderOfAda): void {
  const copy = (src: unknown, dst: unknown) =>
    own.ada.call('POST', own.folder.path('copy'), { json: { src, dst } });

  it('copies a file or a whole directory, to a name or into a directory, and counts it', async () => {
    await upload(own.ada, own.folder, { 'a.txt': 'one', 'd/x': '12', 'd/e/y': '345' });
    const made = await copy('a.txt', 'b.txt');
    expectStatus(made, 201);
    expect(made.json).toEqual({ path: 'b.txt', bytes: 3, files: 1, skipped: [], skipped_count: 0 });
    expect((await copy('a.txt', 'd')).json).toMatchObject({ path: 'd/a.txt' });
    expect((await copy('d', 'f')).json).toMatchObject({ path: 'f', bytes: 8, files: 3 });
    expect(await namesIn(own.ada, own.folder.name, 'f')).toEqual(['a.txt', 'e', 'x']);
    const usage = await readUsage(own.ada, own.folder.name);
    expect(usage).toMatchObject({ live: { bytes: 22, files: 8 }, reserved: { bytes: 0, files: 0 } });
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).data).toEqual(usage.live);
    const counted = await own.ada.call('POST', own.folder.path('recalculate'));
    expect(counted.json).toMatchObject({ drift: { bytes: 0, files: 0 } });
  });

  it('replaces nothing, and copies nothing to itself or into itself', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '2', 'd/a': '3' });
    for (const [src, dst] of [
      ['a', 'b'],
      ['a', 'd'],
      ['d', 'a'],
      ['a', 'a'],
      ['d', 'd'],
      ['d', 'd/inside'],
      ['a', '.'],
      ['a', 'b/c'],
    ]) {
      expectProblem(await copy(src, dst), 400, 'entry_conflict');
    }
    expect(await namesIn(own.ada, own.folder.name)).toEqual(['a', 'b', 'd']);
  });

  it('does not find a missing entry or directory, and copies no link', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await symlink('/etc', join(data, 'link'));
    expectProblem(await copy('missing', 'b'), 404, 'entry_not_found');
    expectProblem(await copy('d', 'missing/b'), 404, 'entry_not_found');
    expectProblem(await copy('link/passwd', 'b'), 404, 'entry_not_found');
    expectProblem(await copy('link', 'b'), 400, 'entry_not_regular');
    expectProblem(await copy('d', 'link/b'), 400, 'entry_conflict');
  });

  it('refuses a copy that does not fit, and leaves nothing of it', async () => {
    const files = Object.fromEntries(Array.from({ length: 501 }, (_, number) => [`d/${number}`, '']));
    await upload(own.ada, own.folder, files);
    expectProblem(await copy('d', 'e'), 507, 'quota_exceeded');
    expect(await namesIn(own.ada, own.folder.name)).toEqual(['d']);
    expect((await readUsage(own.ada, own.folder.name)).reserved).toEqual({ bytes: 0, files: 0 });
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).stage).toEqual({ bytes: 0, files: 0 });
  });

  it('lets exactly one of many concurrent copies have a name', async () => {
    await upload(own.ada, own.folder, { x: '12' });
    const statuses = (await Promise.all([1, 2, 3, 4].map(() => copy('x', 'y')))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, 400, 400, 400]);
    expect((await readUsage(own.ada, own.folder.name)).live).toEqual({ bytes: 4, files: 2 });
  });

  it.each([{}, { src: 'a' }, { src: 1, dst: 'b' }, { src: 'a', dst: null }])(
    'refuses the parameters %j',
    async (json) => {
      expectProblem(await own.ada.call('POST', own.folder.path('copy'), { json }), 400, 'request_malformed');
    },
  );
}

function describeCopyBetween(own: FolderOfAda, people: People): void {
  /** Into a folder of bob's, from the one of ada's. */
  const copy = async (json: object) => {
    const { client } = people.bob;
    const target = await createFolder(client);
    const answer = await client.call('POST', target.path('copy'), { json });
    return { target, answer, usage: (await readUsage(client, target.name)).live };
  };

  it('takes `ro` there, by name or id, and counts in the folder copied into', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1', 'd/b': '23' });
    await share(own.folder, own.ada, { user: people.bob, permission: 'ro' });
    for (const src_folder of [own.folder.name, own.folder.id]) {
      const { answer, target, usage } = await copy({ src: 'd', dst: '', src_folder });
      expectStatus(answer, 201);
      expect(answer.json).toEqual({ path: 'd', bytes: 3, files: 2, skipped: [], skipped_count: 0 });
      expect(await namesIn(people.bob.client, target.name, 'd')).toEqual(['a', 'b']);
      expect(usage).toEqual({ bytes: 3, files: 2 });
    }
    expect((await readUsage(own.ada, own.folder.name)).live).toEqual({ bytes: 3, files: 2 });
  });

  it('takes `rw` in the folder copied into', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    await share(own.folder, own.ada, { user: people.bob, permission: 'ro' });
    const mine = await createFolder(people.bob.client);
    await upload(people.bob.client, mine, { x: '1' });
    const json = { src: 'x', dst: '', src_folder: mine.name };
    expectProblem(await people.bob.client.call('POST', own.folder.path('copy'), { json }), 404, 'not_found');
  });

  it('answers the same 404 for a folder that is missing and one that may not be read', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const strange = await copy({ src: 'a', dst: 'b', src_folder: own.folder.id });
    expectProblem(strange.answer, 404, 'not_found');
    const missing = await copy({ src: 'a', dst: 'b', src_folder: 'no such folder' });
    const plain = (json: unknown) => ({ detail: at(json, 'detail'), title: at(json, 'title') });
    expect(plain(missing.answer.json)).toEqual(plain(strange.answer.json));
    expectProblem((await copy({ src: 'a', dst: 'b', src_folder: 7 })).answer, 400, 'request_malformed');
  });

  it('knows its own folder by any name, and goes into itself under none', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1' });
    for (const src_folder of [own.folder.name, own.folder.id]) {
      const json = { src: 'd', dst: 'd/e', src_folder };
      expectProblem(await own.ada.call('POST', own.folder.path('copy'), { json }), 400, 'entry_conflict');
    }
  });
}

function describeClone(own: FolderOfAda, people: People): void {
  const clone = (json: object, client = own.ada, headers = {}) =>
    client.call('POST', own.folder.path('clone'), { json, headers });
  const target = () => `${own.folder.name}-clone`;

  it('makes a folder of the caller with the same content and options', async () => {
    await upload(own.ada, own.folder, { a: '1', 'd/b': '23' });
    const options = { cloneable: true, permission: 'ro' };
    expectStatus(await own.ada.call('POST', own.folder.path('update-options'), { json: options }), 200);
    const made = await clone({ target_name: target() });
    expectStatus(made, 201);
    expect(made.json).toEqual({
      id: hexId,
      name: target(),
      host: 'local',
      bytes: 3,
      files: 2,
      skipped: [],
      skipped_count: 0,
    });
    const info = await own.ada.call('GET', pathOf('folders', target()));
    expect(at(info.json, 'item')).toMatchObject({
      is_owner: true,
      numFiles: 2,
      used_bytes: 3,
      reserved_bytes: 0,
      cloneable: true,
      default_permission: 'ro',
    });
    await upload(own.ada, own.folder, { a: 'changed' });
    const content = await own.ada.call('GET', pathOf('folders', target(), 'files', 'a'));
    expect(content.text).toBe('1');
    expect(textAt(made.json, 'id')).not.toBe(own.folder.id);
  });

  it('takes other options than the source has', async () => {
    const json = {
      target_name: target(),
      usage_mode: 'data',
      cloneable: true,
      permission: 'wd',
      target_host: 'local',
    };
    expectStatus(await clone(json), 201);
    const info = await own.ada.call('GET', pathOf('folders', target()));
    expect(at(info.json, 'item')).toMatchObject({
      usage_mode: 'data',
      cloneable: true,
      default_permission: 'rd',
    });
  });

  it('lets a member clone what is cloneable, as their own, and nothing else', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    await share(own.folder, own.ada, { user: people.bob, permission: 'ro' });
    const json = { target_name: target() };
    expectProblem(await clone(json, people.bob.client), 404, 'not_found');
    expectStatus(
      await own.ada.call('POST', own.folder.path('update-options'), { json: { cloneable: true } }),
      200,
    );
    expectStatus(await clone(json, people.bob.client), 201);
    const info = await people.bob.client.call('GET', pathOf('folders', target()));
    expect(at(info.json, 'item')).toMatchObject({ is_owner: true, permission: 'rd', numFiles: 1 });
    expectProblem(await own.ada.call('GET', pathOf('folders', target())), 404, 'not_found');
  });

  it('refuses names that are taken or no names, and unknown hosts, leaving nothing behind', async () => {
    expectProblem(await clone({ target_name: own.folder.name }), 400, 'folder_name_taken');
    expectProblem(await clone({ target_name: 'a/b' }), 400, 'name_invalid');
    for (const json of [{}, { target_name: 1 }, { target_name: target(), target_host: 'nowhere' }]) {
      expectProblem(await clone(json), 400, 'request_malformed');
    }
    expectProblem(await clone({ target_name: target(), usage_mode: 'x' }), 400, 'request_malformed');
    expectProblem(await own.ada.call('GET', pathOf('folders', target())), 404, 'not_found');
  });

  it('gives a name to exactly one of many concurrent clones', async () => {
    const json = { target_name: target() };
    const statuses = (await Promise.all([1, 2, 3, 4].map(() => clone(json)))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, 400, 400, 400]);
  });

  it('answers 202 with the job when asked to, and shows the folder at its end', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const answer = await clone({ target_name: target() }, own.ada, { Prefer: 'respond-async' });
    expectStatus(answer, 202);
    const job = await awaitJob(own.ada, jobIdIn(answer.headers));
    expect(job).toMatchObject({ kind: 'folder.clone', state: 'succeeded' });
    expectStatus(await own.ada.call('GET', pathOf('folders', target())), 200);
  });
}

/** Copy entries inside a folder and between two, and clone folders. */
export function describeCopies(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('copy', () => describeCopy(stage, own));
  describe('copy from another folder', () => describeCopyBetween(own, people));
  describe('clone', () => describeClone(own, people));
}
