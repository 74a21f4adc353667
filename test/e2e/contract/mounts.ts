import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Client, pathOf } from '../support/http-client.ts';
import { at, listAt, numberAt, textAt, textsAt } from '../support/json.ts';
import { createFolder, share, type TestUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime, uuid } from './rules.ts';
import { type FolderOfAda, type People, type Stage, sharedFolder, useFolder, usePeople } from './stage.ts';

let sessions = 0;
/** A name that no other session of a test has. */
function newSession(): string {
  sessions += 1;
  return `session-${sessions}`;
}

const begin = (client: Client, session: unknown, folders: unknown, more: object = {}) =>
  client.call('POST', '/mounts', { json: { session, folders, ...more } });

function describeLeases(stage: Stage, own: FolderOfAda, people: People): void {
  it('says where each folder lies and where it is to be seen, in the order asked for', async () => {
    const { folder, ada } = own;
    await upload(ada, folder, { 'a.txt': 'content' });
    const other = await createFolder(ada, `Other Data ${newSession()}`);
    const session = newSession();
    const answer = await begin(ada, session, [`${folder.name}:models`, other.id]);
    expectStatus(answer, 201);
    expect(answer.headers.location).toBe(`/mounts/${session}`);
    const source = textAt(answer.json, 'mounts', 0, 'source');
    const common = { host: 'local', read_only: false, state: 'active' };
    expect(answer.json).toEqual({
      id: uuid,
      session,
      created_at: isoTime,
      expires_at: isoTime,
      lease_seconds: 300,
      mounts: [
        {
          ...common,
          folder: folder.id,
          name: folder.name,
          alias: 'models',
          source,
          subpath: source.slice(stage.service.volumeRoot.length + 1),
          target: '/home/work/models',
        },
        expect.objectContaining({ ...common, folder: other.id, target: `/home/work/${other.name}` }),
      ],
    });
    expect(source.startsWith(`${stage.service.volumeRoot}/`)).toBe(true);
    expect(await readFile(join(source, 'a.txt'), 'utf8')).toBe('content');
    expect((await ada.call('GET', pathOf('mounts', session))).json).toEqual(answer.json);
    const all = await ada.call('GET', '/mounts');
    expect(listAt(all.json, 'items')).toContainEqual(answer.json);
  });

  it('finds the session when the same is asked again, and refuses anything else under its name', async () => {
    const session = newSession();
    const first = await begin(own.ada, session, own.folder.name, { lease_seconds: 60 });
    expectStatus(first, 201);
    const again = await begin(own.ada, session, [own.folder.id], { lease_seconds: 120 });
    expectStatus(again, 200);
    expect(at(again.json, 'id')).toBe(textAt(first.json, 'id'));
    expect(at(again.json, 'lease_seconds')).toBe(120);
    const other = [`${own.folder.name}:other`];
    expectProblem(await begin(own.ada, session, other), 409, 'mounts_differ');
    const reading = { read_only: true };
    expectProblem(await begin(own.ada, session, own.folder.name, reading), 409, 'mounts_differ');
    expectStatus(await own.ada.call('DELETE', pathOf('mounts', session)), 204);
    expectStatus(await begin(own.ada, session, other), 201);
  });

  it('goes on by heartbeats, and is over when it is ended', async () => {
    const session = newSession();
    const path = pathOf('mounts', session);
    const first = await begin(own.ada, session, own.folder.name, { lease_seconds: 30 });
    const longer = await own.ada.call('POST', `${path}/heartbeat`, { json: { lease_seconds: 600 } });
    expectStatus(longer, 200);
    const until = (answer: { readonly json: unknown }) => Date.parse(textAt(answer.json, 'expires_at'));
    expect(until(longer) - until(first)).toBeGreaterThan(500_000);
    const same = await own.ada.call('POST', `${path}/heartbeat`);
    expect(at(same.json, 'lease_seconds')).toBe(600);
    expect(until(same)).toBeGreaterThanOrEqual(until(longer));
    expectProblem(await people.bob.client.call('POST', `${path}/heartbeat`), 404, 'not_found');
    expectProblem(await people.bob.client.call('GET', path), 404, 'not_found');
    expectProblem(await people.bob.client.call('DELETE', path), 404, 'not_found');
    expectStatus(await own.ada.call('DELETE', path), 204);
    for (const [method, where] of [
      ['DELETE', path],
      ['GET', path],
      ['POST', `${path}/heartbeat`],
    ] as const) {
      expectProblem(await own.ada.call(method, where), 404, 'not_found');
    }
  });

  it('takes no session of somebody else’s for its own', async () => {
    const shared = await sharedFolder(people, 'ro');
    const session = newSession();
    const ofAda = await begin(people.ada.client, session, shared.name);
    const ofBob = await begin(people.bob.client, session, shared.name);
    expectStatus(ofBob, 201);
    expect(textAt(ofBob.json, 'id')).not.toBe(textAt(ofAda.json, 'id'));
    expectStatus(await people.bob.client.call('DELETE', pathOf('mounts', session)), 204);
    expectStatus(await people.ada.client.call('GET', pathOf('mounts', session)), 200);
  });

  it('counts the folder when a session that may have written has ended', async () => {
    const session = newSession();
    const answer = await begin(own.ada, session, own.folder.name);
    await writeFile(join(textAt(answer.json, 'mounts', 0, 'source'), 'written'), 'behind its back');
    expectStatus(await own.ada.call('DELETE', pathOf('mounts', session)), 204);
    await eventually(async () => {
      const { json } = await own.ada.call('GET', own.folder.path());
      expect([numberAt(json, 'item', 'used_bytes'), numberAt(json, 'item', 'numFiles')]).toEqual([15, 1]);
    });
  });
}

function describeRefusals(own: FolderOfAda, people: People): void {
  it.each([
    ['no session', undefined, ['x']],
    ['an empty session', '', ['x']],
    ['a session that is a path', '../x', ['x']],
    ['a session with a space', 'a b', ['x']],
    ['a session that is too long', 'a'.repeat(65), ['x']],
    ['no folders', 's', undefined],
    ['an empty list', 's', []],
    ['six folders', 's', ['a', 'b', 'c', 'd', 'e', 'f']],
    ['a folder that is no text', 's', [1]],
  ])('refuses %s', async (_what, session, folders) => {
    expectProblem(await begin(own.ada, session, folders), 400, 'request_malformed');
  });

  it.each([29, 86_401, 'soon', 1.5])('refuses a lease of %s', async (lease_seconds) => {
    const answer = await begin(own.ada, newSession(), own.folder.name, { lease_seconds });
    expectProblem(answer, 400, 'request_malformed');
  });

  it.each(['', '..', '../etc', 'a/b', '/etc', '.ssh', 'a,exec', 'a"b', 'x\0', ' a', 'a'.repeat(65)])(
    'refuses the alias %j, and says of which folder',
    async (alias) => {
      const other = await createFolder(own.ada);
      const session = newSession();
      const answer = await begin(own.ada, session, [other.name, `${own.folder.name}:${alias}`]);
      expectProblem(answer, 400, 'request_malformed');
      expect(textsAt(answer.json, 'pointer', 'errors')).toEqual(['/folders/1']);
      expectProblem(await own.ada.call('GET', pathOf('mounts', session)), 404, 'not_found');
    },
  );

  it('wants an alias for a folder whose name cannot be one', async () => {
    const hidden = await createFolder(own.ada, `.hidden-${newSession()}`);
    const colon = await createFolder(own.ada, `data:rw-${newSession()}`);
    for (const folder of [hidden, colon]) {
      const refused = await begin(own.ada, newSession(), [folder.id]);
      expectProblem(refused, 400, 'request_malformed');
      expect(textAt(refused.json, 'detail')).toContain('name:alias');
      expectStatus(await begin(own.ada, newSession(), [`${folder.name}:seen`]), 201);
    }
  });

  it('mounts a folder once and an alias once per session', async () => {
    const other = await createFolder(own.ada);
    const twice = await begin(own.ada, newSession(), [own.folder.name, `${own.folder.id}:b`]);
    expectProblem(twice, 400, 'request_malformed');
    const same = await begin(own.ada, newSession(), [`${own.folder.name}:a`, `${other.name}:a`]);
    expectProblem(same, 400, 'request_malformed');
  });

  it('knows no folder that the caller is no member of, none at all, and mounts nothing then', async () => {
    const session = newSession();
    const missing = await begin(people.bob.client, session, [own.folder.id]);
    expectProblem(missing, 404, 'not_found');
    expect((await begin(people.bob.client, session, ['none'])).text).toBe(missing.text);
    expectProblem(await begin(own.ada, session, [own.folder.name, 'none']), 404, 'not_found');
    expectStatus(await own.ada.call('DELETE', own.folder.path()), 204);
    expectProblem(await begin(own.ada, session, [own.folder.id]), 404, 'not_found');
    for (const odd of ['a%20b', 'a%2Fb', '-a', 'x'.repeat(65)])
      expectProblem(await own.ada.call('GET', `/mounts/${odd}`), 404, 'not_found');
  });
}

function describeGuard(own: FolderOfAda, people: People): void {
  let session: string;
  beforeEach(async () => {
    session = newSession();
    expectStatus(await begin(own.ada, session, own.folder.name), 201);
  });

  it('keeps a mounted folder from being deleted until the session has ended', async () => {
    const refused = await own.ada.call('DELETE', own.folder.path());
    expectProblem(refused, 409, 'folder_mounted');
    expect(at(refused.json, 'sessions')).toBe(1);
    const byId = await own.ada.call('DELETE', '/folders', { json: { id: own.folder.id } });
    expectProblem(byId, 409, 'folder_mounted');
    expectStatus(await own.ada.call('GET', own.folder.path()), 200);
    expectStatus(await own.ada.call('DELETE', pathOf('mounts', session)), 204);
    expectStatus(await own.ada.call('DELETE', own.folder.path()), 204);
  });

  it.each(['true', '1', ''])('lets it go with force=%s, and tells the session', async (force) => {
    expectProblem(
      await own.ada.call('DELETE', own.folder.path(), { query: { force: 'no' } }),
      409,
      'folder_mounted',
    );
    expectStatus(await own.ada.call('DELETE', own.folder.path(), { query: { force } }), 204);
    const told = await own.ada.call('POST', pathOf('mounts', session, 'heartbeat'));
    expectStatus(told, 200);
    expect(textAt(told.json, 'mounts', 0, 'state')).toBe('revoked');
    expectStatus(await own.ada.call('DELETE', pathOf('mounts', session)), 204);
  });

  it('lets it go by the route of clients that means it', async () => {
    expectStatus(await own.ada.call('DELETE', pathOf('folders', own.folder.id, 'force')), 204);
  });

  it('lets its owner rename it and give it away', async () => {
    const name = `${own.folder.name}-new`;
    expectStatus(await own.ada.call('POST', own.folder.path('rename'), { json: { new_name: name } }), 200);
    await share({ ...own.folder, path: (...rest) => pathOf('folders', name, ...rest) }, own.ada, {
      user: people.bob,
      permission: 'rw',
    });
    const json = { user: people.bob.email };
    expectStatus(await own.ada.call('POST', pathOf('folders', name, 'transfer'), { json }), 200);
    const after = await own.ada.call('GET', pathOf('mounts', session));
    expect(at(after.json, 'mounts', 0)).toMatchObject({
      state: 'active',
      read_only: false,
      name: own.folder.name,
    });
    const folder = pathOf('folders', own.folder.id);
    expectProblem(await people.bob.client.call('DELETE', folder), 409, 'folder_mounted');
    expectProblem(await own.ada.call('DELETE', folder, { query: { force: '1' } }), 404, 'not_found');
  });
}

function describeMembers(people: People): void {
  const mountedBy = async (user: TestUser, folder: string, more: object = {}) => {
    const answer = await begin(user.client, newSession(), folder, more);
    expectStatus(answer, 201);
    return at(answer.json, 'mounts', 0, 'read_only');
  };

  it.each([
    ['ro', true],
    ['rw', true],
    ['rd', false],
  ] as const)('with %s get it read-only: %s', async (permission, isReadOnly) => {
    const folder = await sharedFolder(people, permission);
    expect(await mountedBy(people.bob, folder.name)).toBe(isReadOnly);
    expect(await mountedBy(people.bob, folder.name, { read_only: true })).toBe(true);
  });

  it('guard it against its owner, and no more once they are none', async () => {
    const folder = await sharedFolder(people, 'rd');
    const session = newSession();
    expectStatus(await begin(people.bob.client, session, folder.name), 201);
    const remove = () => people.ada.client.call('DELETE', folder.path());
    expectProblem(await remove(), 409, 'folder_mounted');
    expectStatus(await people.bob.client.call('POST', folder.path('leave')), 200);
    const told = await people.bob.client.call('GET', pathOf('mounts', session));
    expect(textAt(told.json, 'mounts', 0, 'state')).toBe('revoked');
    expectStatus(await remove(), 204);
  });
}

function describeOperators(stage: Stage, own: FolderOfAda, people: People): void {
  it('see the sessions of everybody, page by page, and end any', async () => {
    const session = newSession();
    const id = textAt((await begin(own.ada, session, own.folder.name)).json, 'id');
    await begin(own.ada, newSession(), own.folder.name);
    const { administrator } = stage.service;
    const list = (query: Record<string, string>) => administrator.call('GET', '/admin/mounts', { query });
    const found = await list({ folder: own.folder.id, user: people.ada.email, host: 'local', limit: '1' });
    expectStatus(found, 200);
    expect(listAt(found.json, 'items')).toMatchObject([
      { id, session, user: people.ada.id, user_email: people.ada.email, mounts: [{ folder: own.folder.id }] },
    ]);
    const next = await list({ folder: own.folder.id, cursor: textAt(found.json, 'next_cursor') });
    expect(listAt(next.json, 'items')).toHaveLength(1);
    expect(listAt((await list({ user: people.bob.email, folder: own.folder.id })).json, 'items')).toEqual([]);
    expect(listAt((await list({ host: 'none' })).json, 'items')).toEqual([]);
    expectProblem(await list({ user: 'nobody@example.org' }), 404, 'not_found');
    for (const query of [{ folder: 'x' }, { cursor: 'x' }, { limit: '0' }])
      expectProblem(await list(query), 400, 'request_malformed');

    expectProblem(await own.ada.call('GET', '/admin/mounts'), 403, 'admin_required');
    expectProblem(await own.ada.call('DELETE', pathOf('admin', 'mounts', id)), 403, 'admin_required');
    expectStatus(await administrator.call('DELETE', pathOf('admin', 'mounts', id)), 204);
    expectProblem(await administrator.call('DELETE', pathOf('admin', 'mounts', id)), 404, 'not_found');
    expectProblem(await administrator.call('DELETE', '/admin/mounts/x'), 404, 'not_found');
    expectProblem(await own.ada.call('POST', pathOf('mounts', session, 'heartbeat')), 404, 'not_found');
    const log = await administrator.call('GET', '/admin/audit', { query: { subject: id } });
    expect(listAt(log.json, 'items')).toMatchObject([
      { action: 'mount.end', folder: own.folder.id, details: { session, alias: own.folder.name } },
      {
        action: 'mount.begin',
        actor: people.ada.id,
        folder: own.folder.id,
        details: { session, alias: own.folder.name, is_read_only: false },
      },
    ]);
  });

  it('make a volume read-only, and then its folders are mounted so', async () => {
    const { administrator } = stage.service;
    const set = (state: string) => administrator.call('PATCH', '/admin/volumes/local', { json: { state } });
    const session = newSession();
    const expectMounted = (isReadOnly: boolean) =>
      eventually(async () => {
        const answer = await begin(own.ada, session, own.folder.name);
        await own.ada.call('DELETE', pathOf('mounts', session));
        expect(at(answer.json, 'mounts', 0, 'read_only'), answer.text).toBe(isReadOnly);
      });
    expectStatus(await set('read_only'), 200);
    try {
      await expectMounted(true);
    } finally {
      expectStatus(await set('active'), 200);
    }
    await expectMounted(false);
  });
}

/** Folders mounted by compute sessions. */
export function describeMounts(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('leases', () => describeLeases(stage, own, people));
  describe('refusals', () => describeRefusals(own, people));
  describe('the guard', () => describeGuard(own, people));
  describe('members', () => describeMembers(people));
  describe('operators', () => describeOperators(stage, own, people));
}
