import { describe, expect, it } from 'vitest';
import { pathOf } from '../support/http-client.ts';
import { at, textAt, textsAt } from '../support/json.ts';
import { createFolder, createKeypair, createUser, upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime, uuid } from './rules.ts';
import { type Stage, usePeople } from './stage.ts';

function describeAdministration(stage: Stage): void {
  const people = usePeople(stage);
  const admin = () => stage.service.administrator;

  it('makes users and keypairs for them by id and address', async () => {
    const made = await admin().call('POST', '/admin/users', { json: { email: 'New.Person@example.org' } });
    expectStatus(made, 201);
    expect(made.json).toEqual({ id: uuid, email: 'New.Person@example.org' });
    for (const user of [textAt(made.json, 'id'), 'new.person@EXAMPLE.org']) {
      const issued = await admin().call('POST', '/admin/keypairs', { json: { user } });
      expectStatus(issued, 201);
      expect(issued.json).toEqual({
        access_key: expect.stringMatching(/^[A-Z0-9]{20}$/),
        secret_key: expect.stringMatching(/^[\w-]{40}$/),
      });
      const keypair = {
        accessKey: textAt(issued.json, 'access_key'),
        secretKey: textAt(issued.json, 'secret_key'),
      };
      expectStatus(await stage.service.client(keypair).call('GET', '/folders'), 200);
    }
  });

  it('refuses an address that is taken, in any case, however many ask at once', async () => {
    const calls = Array.from({ length: 6 }, (_, number) =>
      admin().call('POST', '/admin/users', {
        json: { email: number % 2 === 0 ? 'once@example.org' : 'ONCE@example.org' },
      }),
    );
    const answers = await Promise.all(calls);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 409, 'email_taken');
  });

  it('lists users by page', async () => {
    const page = await admin().call('GET', '/admin/users');
    expectStatus(page, 200);
    expect(at(page.json, 'items', 0)).toEqual({
      id: uuid,
      email: expect.any(String),
      role: expect.stringMatching(/^(admin|user)$/),
      is_active: true,
      policy: 'default',
      created_at: isoTime,
    });
    const emails = [...textsAt(page.json, 'email', 'items')];
    for (let next = at(page.json, 'next_cursor'); typeof next === 'string'; ) {
      const more = await admin().call('GET', '/admin/users', { query: { cursor: next } });
      emails.push(...textsAt(more.json, 'email', 'items'));
      next = at(more.json, 'next_cursor');
    }
    expect(emails).toContain(people.ada.email);
    expect(new Set(emails).size).toBe(emails.length);
    expectProblem(
      await admin().call('GET', '/admin/users', { query: { cursor: 'x' } }),
      400,
      'request_malformed',
    );
  });

  it.each([
    {},
    { email: '' },
    { email: 'x' },
    { email: '@example.org' },
    { email: 'a@' },
    { email: 'a b@example.org' },
    { email: 5 },
    { email: null },
    { email: ['a@example.org'] },
    { email: `${'x'.repeat(250)}@example.org` },
    { email: 'a\u0000@example.org' },
  ])('refuses %j for a user', async (json) => {
    expectProblem(await admin().call('POST', '/admin/users', { json }), 400, 'request_malformed');
  });

  it('refuses a keypair for nobody', async () => {
    for (const json of [
      {},
      { user: null },
      { user: 5 },
      { user: '' },
      { user: ['a'] },
      { user: 'x'.repeat(255) },
    ]) {
      expectProblem(await admin().call('POST', '/admin/keypairs', { json }), 400, 'request_malformed');
    }
    for (const user of [
      'nobody@example.org',
      '00000000-0000-7000-8000-000000000000',
      'a\u0000',
      "' OR 1=1 --",
    ]) {
      expectProblem(await admin().call('POST', '/admin/keypairs', { json: { user } }), 404, 'not_found');
    }
  });

  it('answers users 403 and the unknown 401', async () => {
    const anonymous = stage.service.client();
    for (const [method, path] of [
      ['POST', '/admin/users'],
      ['GET', '/admin/users'],
      ['POST', '/admin/keypairs'],
    ] as const) {
      for (const json of [{ email: 'e@example.org', user: people.ada.id }, {}]) {
        expectProblem(await people.ada.client.call(method, path, { json }), 403, 'admin_required');
        expectProblem(await anonymous.call(method, path, { json }), 401, 'auth_required');
      }
    }
  });

  it('switches users and keypairs off and on, and gives keypairs another secret', async () => {
    const user = await createUser(stage.service);
    const { accessKey } = user.keypair;
    const path = pathOf('admin', 'users', user.email);
    const keypair = pathOf('admin', 'keypairs', accessKey);
    expect((await admin().call('GET', path)).json).toMatchObject({
      id: user.id,
      keypairs: 1,
      is_active: true,
    });
    expect((await user.client.call('GET', '/me')).json).toMatchObject({ id: user.id, access_key: accessKey });
    expectStatus(await user.client.call('GET', '/me/keypairs'), 200);
    expectStatus(await admin().call('PATCH', path, { json: { state: 'inactive' } }), 200);
    expectProblem(await user.client.call('GET', '/me'), 401, 'auth_failed');
    expectStatus(await admin().call('PATCH', path, { json: { state: 'active' } }), 200);
    expectStatus(await admin().call('PATCH', keypair, { json: { state: 'inactive' } }), 200);
    expectProblem(await user.client.call('GET', '/me'), 401, 'auth_failed');
    expectStatus(await admin().call('PATCH', keypair, { json: { state: 'active' } }), 200);
    const own = await user.client.call('POST', pathOf('me', 'keypairs', accessKey, 'rotate'));
    expectStatus(own, 200);
    const rotated = await admin().call('POST', `${keypair}/rotate`);
    expect(textAt(rotated.json, 'secret_key')).not.toBe(textAt(own.json, 'secret_key'));
    const listed = await admin().call('GET', '/admin/keypairs', { query: { user: user.id } });
    expect(textsAt(listed.json, 'access_key', 'items')).toEqual([accessKey]);
    expectStatus(await admin().call('DELETE', keypair), 204);
    expectProblem(await admin().call('DELETE', keypair), 404, 'not_found');
  });

  it('gives users and folders other limits; below what is held, only what adds to it is refused', async () => {
    const limits = { folders: 1, folder_bytes: 100, folder_files: 2 };
    const policy = { name: `contract-${Date.now()}`, ...limits };
    expectStatus(await admin().call('POST', '/admin/policies', { json: policy }), 201);
    const user = await createUser(stage.service);
    const person = pathOf('admin', 'users', user.id);
    expectStatus(await admin().call('PATCH', person, { json: { policy: policy.name } }), 200);
    const folder = await createFolder(user.client);
    expectProblem(
      await user.client.call('POST', '/folders', { json: { name: 'b' } }),
      406,
      'folder_limit_reached',
    );
    await upload(user.client, folder, { a: 'x'.repeat(60), b: 'y' });
    const quota = pathOf('admin', 'folders', folder.id);
    expect((await admin().call('GET', quota)).json).toMatchObject({ quota_bytes: 100, used_bytes: 61 });
    const counted = await admin().call('POST', `${quota}/recalculate`);
    expectStatus(counted, 200);
    expect(counted.json).toMatchObject({ after: { bytes: 61, files: 2 }, drift: { bytes: 0, files: 0 } });
    const lower = { quota_bytes: 10, quota_files: 1 };
    expect((await admin().call('PATCH', quota, { json: lower })).json).toMatchObject(lower);
    const parts = [{ fileName: 'c', bytes: 'z' }];
    const full = await user.client.call('POST', folder.path('upload'), { parts });
    expectProblem(full, 507, 'quota_exceeded');
    expect((await user.client.call('GET', folder.path('files', 'a'))).text).toBe('x'.repeat(60));
    const json = { files: ['a'] };
    expectStatus(await user.client.call('DELETE', folder.path('delete_files'), { json }), 200);
    await admin().call('PATCH', quota, { json: { quota_bytes: 100, quota_files: 5 } });
    await upload(user.client, folder, { c: 'z' });
    const listed = await admin().call('GET', '/admin/folders', { query: { user: user.email } });
    expect(textsAt(listed.json, 'id', 'items')).toEqual([folder.id]);
    const named = pathOf('admin', 'policies', policy.name);
    expectStatus(await admin().call('PATCH', named, { json: { folders: 2 } }), 200);
    expectStatus(await admin().call('GET', '/admin/policies'), 200);
    expectProblem(await admin().call('DELETE', named), 409, 'policy_in_use');
    await admin().call('PATCH', person, { json: { policy: 'default' } });
    expectStatus(await admin().call('DELETE', named), 204);
  });

  it('remembers who made and deleted folders, and changed queues', async () => {
    const user = await createUser(stage.service);
    const folder = await createFolder(user.client);
    expectStatus(await user.client.call('DELETE', folder.path()), 204);
    await admin().call('PATCH', '/admin/queue-settings/archive.local', { json: { concurrency: null } });
    const log = async (query: Record<string, string>) =>
      textsAt((await admin().call('GET', '/admin/audit', { query })).json, 'action', 'items');
    expect(await log({ actor: user.email })).toEqual(['folder.delete', 'folder.create']);
    expect(await log({ folder: folder.id, action: 'folder.create' })).toEqual(['folder.create']);
    expect(await log({ action: 'queue.change' })).not.toEqual([]);
  });

  it('shows volumes, and sets what they may be used for', async () => {
    const listed = await admin().call('GET', '/admin/volumes');
    expect(textsAt(listed.json, 'name', 'items')).toEqual(['local']);
    const changed = await admin().call('PATCH', '/admin/volumes/local', { json: { state: 'active' } });
    expectStatus(changed, 200);
    const one = await admin().call('GET', '/admin/volumes/local');
    expect(one.json).toMatchObject({ name: 'local', state: 'active', folders: expect.any(Number) });
    const json = { state: 'closed' };
    expectProblem(await admin().call('PATCH', '/admin/volumes/local', { json }), 400, 'request_malformed');
  });

  it('gives each keypair of a user its own secret', async () => {
    const user = await createUser(stage.service);
    const second = await createKeypair(stage.service, user.id);
    expect(second.secretKey).not.toBe(user.keypair.secretKey);
    const mixed = { accessKey: second.accessKey, secretKey: user.keypair.secretKey };
    expectProblem(await stage.service.client(mixed).call('GET', '/folders'), 401, 'auth_failed');
  });
}

function describeService(stage: Stage): void {
  it('tells its version, that it lives and that it is ready, to everybody', async () => {
    const anonymous = stage.service.client();
    const version = await anonymous.call('GET', '/');
    expectStatus(version, 200);
    expect(version.json).toEqual({
      version: expect.stringMatching(/^v\d+\.\d{8}$/),
      manager: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect((await anonymous.call('GET', '/livez')).json).toEqual({ status: 'ok' });
    const ready = await anonymous.call('GET', '/readyz');
    expectStatus(ready, 200);
    expect(ready.json).toEqual({ status: 'ok', database: 'ok', queue: 'ok', volumes: { local: 'ok' } });
  });

  it('keeps the request id of the caller, when it is a plain word', async () => {
    const anonymous = stage.service.client();
    const kept = await anonymous.call('GET', '/', { headers: { 'X-Request-Id': 'my-request.1' } });
    expect(kept.headers['x-request-id']).toBe('my-request.1');
    for (const given of ['short', 'x'.repeat(65), 'with space 1', '<script>xxx']) {
      const answer = await anonymous.call('GET', '/', { headers: { 'X-Request-Id': given } });
      expect(answer.headers['x-request-id']).not.toBe(given);
    }
  });

  it('answers paths it does not serve with 404 and other methods with 405', async () => {
    const anonymous = stage.service.client();
    for (const path of [
      '/nothing',
      '/folder',
      '/folders/a/b/c',
      '/admin',
      '/favicon.ico',
      '/.env',
      '/folders/a/upload/x',
    ]) {
      expectProblem(await anonymous.call('GET', path), 404, 'not_found');
    }
    const answer = await anonymous.call('PUT', '/folders');
    expectProblem(answer, 405, 'method_not_allowed');
    expect(answer.headers.allow).toBe('DELETE, GET, HEAD, POST');
    for (const [method, path] of [
      ['PATCH', '/'],
      ['POST', '/jobs'],
      ['GET', '/folders/a/mkdir'],
      ['PROPFIND', '/folders'],
    ] as const) {
      expectProblem(await anonymous.call(method, path), 405, 'method_not_allowed');
    }
  });
}

/** Administration, and what the service tells about itself. */
export function describeAdmin(stage: Stage): void {
  describe('administration', () => describeAdministration(stage));
  describe('the service', () => describeService(stage));
}
