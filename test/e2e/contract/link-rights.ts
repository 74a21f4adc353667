import { describe, expect, it } from 'vitest';
import { textAt } from '../support/json.ts';
import { createKeypair, createUser, share, upload } from '../support/users.ts';
import { askForLink, type MadeLink, makeLink } from './make-link.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type People, type Stage, sharedFolder } from './stage.ts';

const kinds = ['download', 'upload'] as const;
type Kind = (typeof kinds)[number];

function describeMatrix(people: People, own: FolderOfAda): void {
  it.each([
    ['ro', ['download']],
    ['rw', ['download', 'upload']],
    ['rd', ['download', 'upload']],
  ] as const)('are made by a member with %s for %j', async (permission, may) => {
    const folder = await sharedFolder(people, permission);
    for (const kind of kinds) {
      const answer = await askForLink({ ...own, folder }, { kind }, people.bob.client);
      const allowed: readonly Kind[] = may;
      if (allowed.includes(kind)) expectStatus(answer, 201);
      else expectProblem(answer, 404, 'not_found');
    }
  });

  it('are made by nobody else', async () => {
    for (const kind of kinds) {
      expectProblem(await askForLink(own, { kind }, people.bob.client), 404, 'not_found');
      expectProblem(await askForLink(own, { kind, folder: 'nothing' }), 404, 'not_found');
    }
  });
}

/** Links of bob to a folder of ada's, one of each kind, and what whoever has them is answered. */
async function linksOfBob(stage: Stage, people: People, own: FolderOfAda) {
  await upload(own.ada, own.folder, { a: 'content' });
  await share(own.folder, own.ada, { user: people.bob, permission: 'rw' });
  const down = await makeLink(own, { path: 'a' }, people.bob.client);
  const up = await makeLink(own, { kind: 'upload' }, people.bob.client);
  const bearer = stage.service.client();
  const statuses = async (): Promise<readonly number[]> => {
    const got = await bearer.call('GET', down.path);
    const put = await bearer.call('PUT', `${up.path}/b`, { body: 'x' });
    return [got.status, put.status];
  };
  const states = async (): Promise<string[]> => {
    const shown = await Promise.all(
      [down, up].map(({ id }: MadeLink) => own.ada.call('GET', `/links/${id}`)),
    );
    return shown.map(({ json }) => textAt(json, 'state'));
  };
  expect(await statuses()).toEqual([200, 201]);
  return { statuses, states, links: [down, up] };
}

/** The rights of whoever made a link, then and at each use. */
export function describeLinkRights(stage: Stage, people: People, own: FolderOfAda): void {
  describe('when they make one', () => describeMatrix(people, own));

  it('are asked for at each use', async () => {
    const { statuses, states } = await linksOfBob(stage, people, own);
    const member = own.folder.path('members', people.bob.id);
    await own.ada.call('PATCH', member, { json: { perm: 'ro' } });
    expect(await statuses()).toEqual([200, 404]);
    expect(await states()).toEqual(['active', 'blocked']);
    await own.ada.call('PATCH', member, { json: { perm: 'rd' } });
    expect(await statuses()).toEqual([200, 201]);
    expectStatus(await own.ada.call('DELETE', member), 204);
    expect(await statuses()).toEqual([404, 404]);
  });

  it('end for good with the membership', async () => {
    const { statuses, links } = await linksOfBob(stage, people, own);
    const hers = await makeLink(own, { path: 'a' });
    expectStatus(await own.ada.call('DELETE', own.folder.path('members', people.bob.id)), 204);
    for (const { id } of links) expectProblem(await own.ada.call('GET', `/links/${id}`), 404, 'not_found');
    await share(own.folder, own.ada, { user: people.bob, permission: 'rw' });
    expect(await statuses()).toEqual([404, 404]);
    const again = await makeLink(own, { path: 'a' }, people.bob.client);
    expectStatus(await people.bob.client.call('POST', `/folders/${own.folder.id}/leave`), 200);
    await share(own.folder, own.ada, { user: people.bob, permission: 'rw' });
    const bearer = stage.service.client();
    expectProblem(await bearer.call('GET', again.path), 404, 'not_found');
    expectStatus(await bearer.call('GET', hers.path), 200);
  });

  it('go with who gives the folder away or leaves it', async () => {
    const { statuses } = await linksOfBob(stage, people, own);
    const given = { json: { user: people.bob.email } };
    const hers = await makeLink(own, { path: 'a' });
    expectStatus(await own.ada.call('POST', own.folder.path('transfer'), given), 200);
    expect(await statuses()).toEqual([200, 201]);
    const bearer = stage.service.client();
    expectStatus(await bearer.call('GET', hers.path), 200);
    expectStatus(await own.ada.call('POST', `/folders/${own.folder.id}/leave`), 200);
    expectProblem(await bearer.call('GET', hers.path), 404, 'not_found');
    expect(await statuses()).toEqual([200, 201]);
  });

  it('end with the folder', async () => {
    const { statuses } = await linksOfBob(stage, people, own);
    expectStatus(await own.ada.call('DELETE', own.folder.path()), 204);
    expect(await statuses()).toEqual([404, 404]);
  });

  it('end with the user who is switched off, and come back with them', async () => {
    const carol = await createUser(stage.service, 'carol');
    const { statuses } = await linksOfBob(stage, { ada: people.ada, bob: carol }, own);
    const turn = (state: string) =>
      stage.service.administrator.call('PATCH', `/admin/users/${carol.id}`, { json: { state } });
    expectStatus(await turn('inactive'), 200);
    expect(await statuses()).toEqual([404, 404]);
    expectStatus(await turn('active'), 200);
    expect(await statuses()).toEqual([200, 201]);
  });

  it('end with the keypair that was used, and with no other', async () => {
    const carol = await createUser(stage.service, 'carol');
    const { statuses } = await linksOfBob(stage, { ada: people.ada, bob: carol }, own);
    const { administrator } = stage.service;
    const other = await createKeypair(stage.service, carol.email);
    expectStatus(await administrator.call('DELETE', `/admin/keypairs/${other.accessKey}`), 204);
    const rotated = `/admin/keypairs/${carol.keypair.accessKey}/rotate`;
    expectStatus(await administrator.call('POST', rotated), 200);
    expect(await statuses()).toEqual([200, 201]);
    const used = `/admin/keypairs/${carol.keypair.accessKey}`;
    expectStatus(await administrator.call('PATCH', used, { json: { state: 'inactive' } }), 200);
    expect(await statuses()).toEqual([404, 404]);
  });

  it('end with the token that was used, and need its scope', async () => {
    await upload(own.ada, own.folder, { a: 'content' });
    const issue = async (scopes: readonly string[]) =>
      Object((await own.ada.call('POST', '/tokens', { json: { scopes, expires_in: 600 } })).json);
    const [reader, writer] = [await issue(['read']), await issue(['read', 'write'])];
    const json = { folder: own.folder.id, path: 'a', expires_in: 600 };
    const by = (token: string) =>
      ({ auth: 'none', json, headers: { Authorization: `Bearer ${token}` } }) as const;
    expectProblem(await own.ada.call('POST', '/links', by(reader.token)), 403, 'scope_missing');
    const made = await own.ada.call('POST', '/links', by(writer.token));
    expectStatus(made, 201);
    const path = `/l/${textAt(made.json, 'token')}`;
    const bearer = stage.service.client();
    expectStatus(await bearer.call('GET', path), 200);
    expectStatus(await own.ada.call('DELETE', `/tokens/${writer.id}`), 204);
    expectProblem(await bearer.call('GET', path), 404, 'not_found');
  });
}
