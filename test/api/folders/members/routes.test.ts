import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../../../domain/ids.ts';
import { insertTestMember } from '../../../support/factories.ts';
import { type Caller, itemsOf, startTestService, type TestService } from '../test-service.ts';

let service: TestService;
let owner: Caller;
let member: Caller;
beforeAll(async () => {
  service = await startTestService();
  [owner, member] = [await service.signUp(), await service.signUp()];
});
afterAll(() => service.close());

let counter = 0;
async function makeShared(permission: 'ro' | 'rw' | 'rd') {
  const name = `shared ${++counter}`;
  const made = await owner.call('POST', '/folders', { body: { name } });
  const folderId = parseId(String(Object(made.json).id)) ?? '';
  await insertTestMember(service.services.db, { folderId, userId: member.userId, name, permission });
  return `/folders/${encodeURIComponent(name)}`;
}

describe('GET /folders/:name/members', () => {
  it('lists the owner first, then the members', async () => {
    const answer = await owner.call('GET', `${await makeShared('rw')}/members`);
    expect(answer.status).toBe(200);
    expect(itemsOf(answer)).toMatchObject([
      { user: owner.userId, email: owner.email, permission: 'rd', is_owner: true },
      { user: member.userId, email: member.email, permission: 'rw', perm: 'rw', is_owner: false },
    ]);
  });
});

describe('DELETE /folders/:name/members/:member', () => {
  it.each(['id', 'hex', 'e-mail', 'E-MAIL'])(
    'takes the folder from a member named by %s at once',
    async (form) => {
      const path = await makeShared('rd');
      const names: Record<string, string> = {
        id: member.userId,
        hex: member.userId.replaceAll('-', ''),
        'e-mail': member.email,
        'E-MAIL': member.email.toUpperCase(),
      };
      expect((await member.call('GET', path)).status).toBe(200);
      const target = `${path}/members/${encodeURIComponent(names[form] ?? '')}`;
      expect(await owner.call('DELETE', target)).toMatchObject({ status: 204, text: '' });
      expect((await member.call('GET', path)).status).toBe(404);
      expect((await member.call('POST', `${path}/mkdir`, { body: { path: 'a' } })).status).toBe(404);
      expect((await owner.call('DELETE', target)).status).toBe(404);
    },
  );

  it('never removes the owner, and knows no strangers', async () => {
    const path = await makeShared('ro');
    const stranger = await service.signUp();
    for (const email of [owner.email, stranger.email, 'nobody']) {
      expect((await owner.call('DELETE', `${path}/members/${email}`)).status).toBe(404);
    }
    expect((await owner.call('GET', path)).status).toBe(200);
    expect((await member.call('GET', path)).status).toBe(200);
  });
});

describe('PATCH /folders/:name/members/:member', () => {
  it('changes a right from the next request on', async () => {
    const path = await makeShared('rw');
    const write = async (directory: string) =>
      (await member.call('POST', `${path}/mkdir`, { body: { path: directory } })).status;
    expect(await write('before')).toBe(201);
    const target = `${path}/members/${member.email}`;
    expect((await owner.call('PATCH', target, { body: { perm: 'ro' } })).status).toBe(200);
    expect(await write('after')).toBe(404);
    expect((await owner.call('PATCH', target, { body: { perm: 'wd' } })).status).toBe(200);
    expect(await write('again')).toBe(201);
    expect(await member.call('GET', path)).toMatchObject({ json: { item: { permission: 'rd' } } });
  });

  it('refuses what is not a permission, and anybody but the owner', async () => {
    const path = await makeShared('rd');
    const target = `${path}/members/${member.email}`;
    for (const body of [{}, { perm: 'own' }, { perm: 7 }]) {
      expect((await owner.call('PATCH', target, { body })).status).toBe(400);
    }
    expect((await member.call('PATCH', target, { body: { perm: 'rd' } })).status).toBe(404);
    expect(
      (await owner.call('PATCH', `${path}/members/${owner.email}`, { body: { perm: 'ro' } })).status,
    ).toBe(404);
  });
});

describe('POST /folders/:name/leave', () => {
  it('ends the caller’s membership and nothing else', async () => {
    const path = await makeShared('ro');
    expect(await member.call('POST', `${path}/leave`)).toMatchObject({
      status: 200,
      json: { msg: expect.any(String) },
    });
    expect((await member.call('GET', path)).status).toBe(404);
    expect((await owner.call('GET', path)).status).toBe(200);
  });

  it('refuses the owner with 400', async () => {
    const path = await makeShared('ro');
    expect((await owner.call('POST', `${path}/leave`)).status).toBe(400);
    expect((await owner.call('GET', path)).status).toBe(200);
  });
});
