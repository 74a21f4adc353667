import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type CallOptions, pathOf } from '../support/http-client.ts';
import { listAt, textAt } from '../support/json.ts';
import { createFolder, createUser, share, type TestFolder, type TestUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import type { Stage } from './stage.ts';

/** Everybody who may want something of a folder. */
const actors = ['owner', 'rd', 'rw', 'ro', 'stranger', 'invited', 'declined', 'removed', 'left'] as const;
type Actor = (typeof actors)[number];

const readers: readonly Actor[] = ['owner', 'rd', 'rw', 'ro'];
const writers: readonly Actor[] = ['owner', 'rd', 'rw'];
const deleters: readonly Actor[] = ['owner', 'rd'];
const owners: readonly Actor[] = ['owner'];

/** One row of "who may": what is asked, and the status for those who may. Everybody else gets the 404. */
interface Row {
  readonly route: string;
  readonly may: readonly Actor[];
  readonly status: number;
  ask(folder: TestFolder, actor: Actor): readonly [method: string, path: string, options?: CallOptions];
}

const rows: readonly Row[] = [
  { route: 'GET /folders/:name', may: readers, status: 200, ask: (folder) => ['GET', folder.path()] },
  { route: 'GET files', may: readers, status: 200, ask: (folder) => ['GET', folder.path('files')] },
  { route: 'GET stat', may: readers, status: 200, ask: (folder) => ['GET', folder.path('stat')] },
  { route: 'GET content', may: readers, status: 200, ask: (folder) => ['GET', folder.path('files', 'a')] },
  { route: 'GET usage', may: readers, status: 200, ask: (folder) => ['GET', folder.path('usage')] },
  {
    route: 'GET download',
    may: readers,
    status: 200,
    ask: (folder) => ['GET', folder.path('download'), { query: { files: 'a' } }],
  },
  {
    route: 'POST archives',
    may: readers,
    status: 202,
    ask: (folder) => ['POST', folder.path('archives'), { json: { files: ['a'] } }],
  },
  {
    route: 'POST upload',
    may: writers,
    status: 201,
    ask: (folder, actor) => [
      'POST',
      folder.path('upload'),
      { parts: [{ fileName: `up/${actor}`, bytes: 'x' }] },
    ],
  },
  {
    route: 'POST upload over a file',
    may: writers,
    status: 201,
    ask: (folder) => ['POST', folder.path('upload'), { parts: [{ fileName: 'a', bytes: 'x' }] }],
  },
  {
    route: 'POST mkdir',
    may: writers,
    status: 201,
    ask: (folder, actor) => ['POST', folder.path('mkdir'), { json: { path: `made/${actor}` } }],
  },
  {
    route: 'POST recalculate',
    may: writers,
    status: 200,
    ask: (folder) => ['POST', folder.path('recalculate')],
  },
  {
    route: 'POST move to itself',
    may: writers,
    status: 400,
    ask: (folder) => ['POST', folder.path('move'), { json: { src: 'a', dst: 'a' } }],
  },
  {
    route: 'POST copy to itself',
    may: writers,
    status: 400,
    ask: (folder) => ['POST', folder.path('copy'), { json: { src: 'a', dst: 'a' } }],
  },
  {
    route: 'POST clone under a bad name',
    may: owners,
    status: 400,
    ask: (folder) => ['POST', folder.path('clone'), { json: { target_name: 'a/b' } }],
  },
  {
    route: 'POST rename-file to itself',
    may: writers,
    status: 400,
    ask: (folder) => ['POST', folder.path('rename-file'), { json: { target_path: 'a', new_name: 'a' } }],
  },
  {
    route: 'DELETE delete_files',
    may: deleters,
    status: 200,
    ask: (folder, actor) => ['DELETE', folder.path('delete_files'), { json: { files: [`of-${actor}`] } }],
  },
  {
    route: 'POST invite',
    may: owners,
    status: 200,
    ask: (folder) => ['POST', folder.path('invite'), { json: { perm: 'ro', user_ids: ['a@b.org'] } }],
  },
  { route: 'GET members', may: owners, status: 200, ask: (folder) => ['GET', folder.path('members')] },
];

interface Cast {
  readonly folder: TestFolder;
  readonly users: Readonly<Record<Actor, TestUser>>;
}

async function invitationOf(user: TestUser): Promise<string> {
  const pending = await user.client.call('GET', '/folders/invitations/list');
  return textAt(listAt(pending.json, 'items')[0], 'id');
}

/** A folder that every actor has the history with that its name says. */
async function assemble(stage: Stage): Promise<Cast> {
  const made = await Promise.all(
    actors.map(async (actor) => [actor, await createUser(stage.service, actor)] as const),
  );
  const users = Object.fromEntries(made);
  const of = (actor: Actor): TestUser => {
    const user = users[actor];
    if (user === undefined) throw new Error(`There is no ${actor}.`);
    return user;
  };
  const owner = of('owner').client;
  const folder = await createFolder(owner);
  await upload(owner, folder, { a: 'x', ...Object.fromEntries(actors.map((actor) => [`of-${actor}`, 'x'])) });
  for (const permission of ['ro', 'rw', 'rd'] as const)
    await share(folder, owner, { user: of(permission), permission });
  for (const actor of ['removed', 'left'] as const)
    await share(folder, owner, { user: of(actor), permission: 'rd' });
  expectStatus(await owner.call('DELETE', folder.path('members', of('removed').email)), 204);
  expectStatus(await of('left').client.call('POST', folder.path('leave')), 200);
  const user_ids = [of('invited').email, of('declined').email];
  expectStatus(await owner.call('POST', folder.path('invite'), { json: { perm: 'rd', user_ids } }), 200);
  const inv_id = await invitationOf(of('declined'));
  expectStatus(
    await of('declined').client.call('DELETE', '/folders/invitations/delete', { json: { inv_id } }),
    200,
  );
  return {
    folder,
    users: {
      owner: of('owner'),
      rd: of('rd'),
      rw: of('rw'),
      ro: of('ro'),
      stranger: of('stranger'),
      invited: of('invited'),
      declined: of('declined'),
      removed: of('removed'),
      left: of('left'),
    },
  };
}

/** The same folder called by another name, or by its id. */
function renamed(folder: TestFolder, name: string): TestFolder {
  return { id: folder.id, name, path: (...rest) => pathOf('folders', name, ...rest) };
}

/** What may differ between two answers to the same caller. */
const passing = new Set(['x-request-id', 'date', 'x-ratelimit-remaining']);

function comparable(answer: Answer): unknown {
  const headers = Object.entries(answer.headers).filter(([name]) => !passing.has(name));
  return { status: answer.status, headers, body: answer.bytes.toString('hex') };
}

/** Who may do what with a folder, and that those who may not learn nothing. */
export function describePermissions(stage: Stage): void {
  let cast: Cast;
  beforeAll(async () => {
    cast = await assemble(stage);
  });

  describe.each(rows)('$route', (row) => {
    const askBy = async (name: string, actor: Actor): Promise<Answer> => {
      const [method, path, options] = row.ask(renamed(cast.folder, name), actor);
      return cast.users[actor].client.call(method, path, options);
    };

    it.each(row.may)('is served to %s, by name and by id', async (actor) => {
      expectStatus(await askBy(cast.folder.name, actor), row.status);
      const again = await askBy(cast.folder.id, actor);
      if (row.route === 'DELETE delete_files') expectProblem(again, 404, 'entry_not_found');
      else expectStatus(again, row.status);
    });

    const others = actors.filter((actor) => !row.may.includes(actor));
    it.each(others)('is not found for %s, by name and by id', async (actor) => {
      expectProblem(await askBy(cast.folder.name, actor), 404, 'not_found');
      expectProblem(await askBy(cast.folder.id, actor), 404, 'not_found');
    });

    it('answers byte for byte the same for what is missing and for what is forbidden', async () => {
      const { client } = await createUser(stage.service, 'prober');
      const name = `probe-${row.route.replaceAll(/\W/g, '')}`;
      const [method, target, options] = row.ask(renamed(cast.folder, name), 'owner');
      const missing = await client.call(method, target, options);
      const hidden = await createFolder(cast.users.owner.client, name);
      await upload(cast.users.owner.client, hidden, { a: 'x', 'of-owner': 'x' });
      const forbidden = await client.call(method, target, options);
      expect(missing.status).toBe(404);
      expect(comparable(forbidden)).toEqual(comparable(missing));
    });
  });

  it('keeps what only the owner may from members, and shows them the same 404 as a missing folder', async () => {
    const { folder, users } = cast;
    for (const actor of actors.filter((one) => one !== 'owner')) {
      const { client } = users[actor];
      expectProblem(await client.call('DELETE', folder.path()), 404, 'not_found');
      const member = folder.path('members', users.ro.email);
      expectProblem(await client.call('PATCH', member, { json: { perm: 'rd' } }), 404, 'not_found');
      expectProblem(await client.call('DELETE', member), 404, 'not_found');
    }
    expectStatus(await users.owner.client.call('GET', folder.path()), 200);
    expect(textAt((await users.ro.client.call('GET', folder.path())).json, 'item', 'permission')).toBe('ro');
  });

  it('lets members leave, and nobody who is none', async () => {
    const { folder, users } = cast;
    for (const actor of ['stranger', 'invited', 'declined', 'removed', 'left'] as const) {
      expectProblem(await users[actor].client.call('POST', folder.path('leave')), 404, 'not_found');
    }
    expectProblem(await users.owner.client.call('POST', folder.path('leave')), 400, 'request_malformed');
  });

  it('gives an administrator no right on a folder of others', async () => {
    expectProblem(await stage.service.administrator.call('GET', cast.folder.path()), 404, 'not_found');
    expectProblem(await stage.service.administrator.call('DELETE', cast.folder.path()), 404, 'not_found');
  });

  it('refuses everything without credentials', async () => {
    const anonymous = stage.service.client();
    for (const row of rows) {
      const [method, path, options] = row.ask(cast.folder, 'owner');
      const answer = await anonymous.call(method, path, options);
      expectProblem(answer, 401, 'auth_required');
      expect(answer.headers['www-authenticate']).toContain('BackendAI');
    }
  });
}
