import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { forgetPast } from '../../../worker/forget-past.ts';
import { insertTestFolder, insertTestMember } from '../../support/factories.ts';
import { type AdminServer, startAdminServer } from '../admin-server.ts';
import { basic, makeKeypair } from '../core-server.ts';

let stage: AdminServer;
let database: AdminServer['database'];
let secrets: AdminServer['secrets'];
let server: AdminServer['server'];
let admin: AdminServer['admin'];
let ask: AdminServer['ask'];

beforeAll(async () => {
  stage = await startAdminServer();
  ({ database, secrets, server, admin, ask } = stage);
});
afterAll(() => stage.close());

interface Entry {
  readonly action: string;
  readonly id: string;
  readonly request_id: string | null;
}

async function entriesOf(query: string): Promise<Entry[]> {
  const { status, json } = await ask('GET', `/admin/audit?${query}`);
  expect(status).toBe(200);
  if (!Array.isArray(json.items)) throw new Error('no items');
  return json.items;
}

const actionsOf = async (query: string) => (await entriesOf(query)).map(({ action }) => action);

describe('GET /admin/audit', () => {
  it('tells what an administrator did, newest first, without any secret', async () => {
    const boss = await makeKeypair(database, secrets, { role: 'admin' });
    const { json: user } = await ask('POST', '/admin/users', { email: 'audited@example.org' }, boss);
    const { json: keypair } = await ask('POST', '/admin/keypairs', { user: user.id }, boss);
    const path = `/admin/keypairs/${keypair.access_key}`;
    const { json: rotated } = await ask('POST', `${path}/rotate`, {}, boss);
    await ask('PATCH', path, { state: 'inactive' }, boss);
    await ask('DELETE', path, {}, boss);
    await ask('PATCH', `/admin/users/${user.id}`, { role: 'admin' }, boss);
    await ask('POST', '/admin/policies', { name: 'audited', folders: 3 }, boss);
    await ask('PATCH', '/admin/policies/audited', { folders: 4 }, boss);
    await ask('DELETE', '/admin/policies/audited', {}, boss);
    const folder = await insertTestFolder(database.db, { ownerId: boss.userId });
    await ask('PATCH', `/admin/folders/${folder.id}`, { quota_files: 7 }, boss);
    const shown = await ask('GET', `/admin/audit?actor=${boss.email}`);
    const common = { actor: boss.userId, actor_email: boss.email, folder: null };
    expect(shown.json.items).toMatchObject([
      { action: 'quota.change', folder: folder.id.replaceAll('-', ''), details: { quota_files: 7 } },
      { ...common, action: 'policy.remove', subject: 'audited', details: { before: { folders_max: 4 } } },
      {
        ...common,
        action: 'policy.change',
        subject: 'audited',
        details: { folders_max: 4, before: { folders_max: 3 } },
      },
      { ...common, action: 'policy.create', subject: 'audited', details: { folders_max: 3 } },
      {
        ...common,
        action: 'user.change',
        subject: user.id,
        details: { role: 'admin', before: { role: 'user' } },
      },
      { ...common, action: 'keypair.remove', subject: keypair.access_key, details: { user: user.id } },
      { ...common, action: 'keypair.change', details: { is_active: false, before: { is_active: true } } },
      { ...common, action: 'keypair.rotate', subject: keypair.access_key },
      { ...common, action: 'keypair.create', subject: keypair.access_key },
      { ...common, action: 'user.create', subject: user.id, details: { email: 'audited@example.org' } },
    ]);
    const requests = new Set((await entriesOf(`actor=${boss.email}`)).map(({ request_id }) => request_id));
    expect(requests.size).toBe(10);
    expect([...requests]).toEqual(Array.from({ length: 10 }, () => expect.stringMatching(/^[\w.-]{8,64}$/)));
    for (const secret of [keypair.secret_key, rotated.secret_key]) expect(shown.text).not.toContain(secret);
  });

  it('tells what was before each of several changes at the same time, and nothing that stayed', async () => {
    const boss = await makeKeypair(database, secrets, { role: 'admin' });
    const { json: user } = await ask('POST', '/admin/users', { email: 'busy@example.org' }, boss);
    const folder = await insertTestFolder(database.db, { ownerId: boss.userId, quotaFiles: 100 });
    await ask('POST', '/admin/policies', { name: 'busy', folders: 100 }, boss);
    const numbers = [101, 102, 103, 104, 105, 106];
    const change = (number: number) => [
      ask('PATCH', '/admin/policies/busy', { folders: number }, boss),
      ask('PATCH', `/admin/folders/${folder.id}`, { quota_files: number }, boss),
      ask('PATCH', `/admin/users/${user.id}`, { state: number % 2 === 0 ? 'active' : 'inactive' }, boss),
    ];
    for (const { status } of await Promise.all(numbers.flatMap(change))) expect(status).toBe(200);
    const { json } = await ask('GET', `/admin/audit?actor=${boss.email}&limit=100`);
    const { items } = z
      .object({
        items: z.array(z.object({ action: z.string(), details: z.record(z.string(), z.unknown()) })),
      })
      .parse(json);
    // One after the other: what one set is what the next one found.
    const chainOf = (action: string, key: string, first: unknown) => {
      const entries = items.filter((entry) => entry.action === action).map(({ details }) => details);
      const found = entries.map(({ before }) => before);
      expect(found).toHaveLength(numbers.length);
      for (const before of found) expect(Object.keys(Object(before))).toEqual([key]);
      const set = [first, ...entries.map((details) => details[key])];
      return { found: found.map((before) => Object(before)[key]), set };
    };
    for (const { found, set } of [
      chainOf('policy.change', 'folders_max', 100),
      chainOf('quota.change', 'quota_files', 100),
    ]) {
      expect(new Set(found).size).toBe(numbers.length);
      expect(set).toEqual(expect.arrayContaining(found));
    }
    chainOf('user.change', 'is_active', true);
  });

  it('tells what members did with a folder', async () => {
    const [owner, guest] = [await makeKeypair(database, secrets), await makeKeypair(database, secrets)];
    const folder = await insertTestFolder(database.db, { ownerId: owner.userId });
    const base = `/folders/${folder.id.replaceAll('-', '')}`;
    await ask('POST', `${base}/invite`, { perm: 'ro', user_ids: [guest.email] }, owner);
    const pending = await ask('GET', '/folders/invitations/list', {}, guest);
    const inv_id = JSON.parse(pending.text).items[0].id;
    await ask('PATCH', `/folders/invitations/sent/${inv_id}`, { perm: 'rw' }, owner);
    await ask('POST', '/folders/invitations/accept', { inv_id }, guest);
    await ask('PATCH', `${base}/members/${guest.userId}`, { perm: 'rd' }, owner);
    await ask('POST', `${base}/transfer`, { user: guest.email }, owner);
    await ask('POST', `${base}/leave`, {}, owner);
    const other = await makeKeypair(database, secrets);
    const member = { folderId: folder.id, userId: other.userId, name: 'x', permission: 'ro' } as const;
    await insertTestMember(database.db, member);
    await ask('DELETE', `${base}/members/${other.userId}`, {}, guest);
    expect(await actionsOf(`folder=${folder.id}`)).toEqual([
      'member.remove',
      'member.leave',
      'folder.transfer',
      'member.change',
      'invitation.accept',
      'invitation.send',
    ]);
    expect(await actionsOf(`actor=${owner.email}&action=invitation.change`)).toEqual(['invitation.change']);
  });

  it('holds nothing of what was refused', async () => {
    const boss = await makeKeypair(database, secrets, { role: 'admin' });
    await ask('POST', '/admin/users', { email: boss.email }, boss);
    await ask('PATCH', `/admin/users/${boss.userId}`, { policy: 'none' }, boss);
    await ask('DELETE', '/admin/policies/default', {}, boss);
    await ask('PATCH', '/admin/keypairs/NONE', { state: 'active' }, boss);
    expect(await actionsOf(`actor=${boss.userId}`)).toEqual([]);
  });

  it('goes by pages and by time, and gives all as NDJSON', async () => {
    const boss = await makeKeypair(database, secrets, { role: 'admin' });
    for (let folders = 0; folders < 5; folders += 1) {
      await ask('PATCH', '/admin/policies/default', { folders: 100 + folders }, boss);
    }
    const all = await entriesOf(`actor=${boss.userId}`);
    expect(all).toHaveLength(5);
    const first = await ask('GET', `/admin/audit?actor=${boss.userId}&limit=2`);
    expect(first.json).toMatchObject({ items: all.slice(0, 2), next_cursor: all[1]?.id });
    expect(await entriesOf(`actor=${boss.userId}&limit=3&cursor=${all[1]?.id}`)).toEqual(all.slice(2));
    const later = encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString());
    expect(await entriesOf(`actor=${boss.userId}&since=${later}`)).toEqual([]);
    expect(await entriesOf(`actor=${boss.userId}&until=${later}&since=2020-01-01T00:00:00%2B02:00`)).toEqual(
      all,
    );
    const headers = { ...basic(admin), accept: 'application/x-ndjson' };
    const { text } = await server.send({ path: `/admin/audit?actor=${boss.userId}`, headers });
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(all);
    await ask('PATCH', '/admin/policies/default', { folders: 100 }, boss);
  });

  it.each([
    'limit=0',
    'cursor=x',
    'folder=x',
    'since=yesterday',
    'since=0000-01-01T00:00:00Z',
    'until=9999-12-31T23:59:59-23:00',
    'action=user.rename',
  ])('answers 400 to ?%s', async (query) => {
    expect((await ask('GET', `/admin/audit?${query}`)).status).toBe(400);
  });

  it('answers 404 to an actor who does not exist, never with what everybody did', async () => {
    expect((await ask('GET', '/admin/audit?actor=nobody@example.org')).status).toBe(404);
  });

  it('is kept for the days that are set', async () => {
    const boss = await makeKeypair(database, secrets, { role: 'admin' });
    await ask('PATCH', '/admin/policies/default', { folders: 100 }, boss);
    await ask('PATCH', '/admin/policies/default', { folders: 100 }, boss);
    const [, old] = await entriesOf(`actor=${boss.userId}`);
    await database.db.execute(
      `UPDATE audit_entries SET at = now() - interval '9 days' WHERE id = '${old?.id}'`,
    );
    await forgetPast({ db: database.db, auditDays: 10 });
    expect(await entriesOf(`actor=${boss.userId}`)).toHaveLength(2);
    await forgetPast({ db: database.db, auditDays: 8 });
    expect(await entriesOf(`actor=${boss.userId}`)).toHaveLength(1);
  });
});
