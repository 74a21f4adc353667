import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLinkUses } from '../../../api/links/uses.ts';
import { routes } from '../../../api/routes.ts';
import { parseId } from '../../../domain/ids.ts';
import { folderComponents } from '../../../storage/posix/layout.ts';
import { eventually } from '../../support/eventually.ts';
import { gate } from '../../support/gate.ts';
import { type Caller, startTestService, type TestService } from '../folders/test-service.ts';
import { type LinkServer, startLinkServer } from './link-server.ts';

let service: TestService;
let server: LinkServer;
let ada: Caller;

beforeAll(async () => {
  service = await startTestService(routes);
  server = await startLinkServer(service.services, {});
});
afterAll(async () => {
  await server?.close();
  await service?.close();
});
beforeEach(async () => {
  ada = await service.signUp();
  const made = await ada.call('POST', '/folders', { body: { name: 'data' } });
  const id = parseId(Object(made.json).id) ?? '';
  await writeFile(join(service.root, 'f', ...folderComponents(id), 'data', 'file'), 'content');
});

async function makeLink(
  body: object,
): Promise<{ readonly id: string; readonly token: string; readonly folder: string }> {
  const made = await ada.call('POST', '/links', { body: { folder: 'data', expires_in: 600, ...body } });
  expect(made.status).toBe(201);
  return Object(made.json);
}

const linkOf = async (id: string) => (await ada.call('GET', `/links/${id}`)).json;

/** The first half of an upload by a link that waits for the other one. */
async function beginUpload({ id, token }: { readonly id: string; readonly token: string }) {
  const sent = request(`${server.base}/l/${token}/new`, {
    method: 'PUT',
    headers: { 'Content-Length': 8 },
    agent: false,
  });
  const answered = new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
    });
  });
  sent.write('half');
  await eventually(async () => {
    const begun = await service.services.db.execute(sql`SELECT FROM links WHERE id = ${id} AND uses = 1`);
    expect(begun).toHaveLength(1);
  });
  return { sent, answered };
}

describe('an upload by a link', () => {
  const ends: Readonly<Record<string, (link: { readonly id: string }) => Promise<unknown>>> = {
    'is revoked': ({ id }) => ada.call('DELETE', `/links/${id}`),
    expires: ({ id }) =>
      service.services.db.execute(sql`UPDATE links SET expires_at = now() WHERE id = ${id}`),
    'loses its keypair': () =>
      service.services.db.execute(sql`UPDATE keypairs SET is_active = false WHERE user_id = ${ada.userId}`),
    'loses its maker': () =>
      service.services.db.execute(sql`UPDATE users SET is_active = false WHERE id = ${ada.userId}`),
  };

  async function expectNothing(): Promise<void> {
    await eventually(async () => {
      const left = await service.services.db.execute(sql`
        SELECT u.id FROM uploads u JOIN members m ON m.folder_id = u.folder_id
        WHERE m.user_id = ${ada.userId} AND u.state IN ('receiving', 'staged')`);
      expect(left).toHaveLength(0);
    });
    const jobs = await service.services.db.execute(sql`
      SELECT id FROM jobs WHERE actor_id = ${ada.userId} AND kind = 'upload.commit'`);
    expect(jobs).toHaveLength(0);
  }

  it.each(Object.keys(ends))('is broken off, however slowly it comes, when the link %s', async (what) => {
    const link = await makeLink({ kind: 'upload' });
    const { sent, answered } = await beginUpload(link);
    await ends[what]?.(link);
    const { status, text } = await answered;
    expect([status, JSON.parse(text)]).toEqual([404, expect.objectContaining({ code: 'not_found' })]);
    sent.destroy();
    await expectNothing();
  });

  it('is not committed when the link was revoked while its last bytes came', async () => {
    const link = await makeLink({ kind: 'upload' });
    const { sent, answered } = await beginUpload(link);
    await ends['is revoked']?.(link);
    sent.end('half');
    expect((await answered).status).toBe(404);
    await expectNothing();
  });
});

describe('uses of one link', () => {
  it('hold one connection to the database, however many wait for its row', async () => {
    const { db } = service.services;
    const link = await makeLink({ path: 'file', max_uses: 50 });
    const { opened, open } = gate();
    const locked = gate();
    const holding = db.transaction(async (tx) => {
      await tx.execute(sql`SELECT FROM links WHERE id = ${link.id} FOR UPDATE`);
      locked.open();
      await opened;
    });
    await locked.opened;
    const reads = Array.from({ length: 60 }, () => server.get(`/l/${link.token}`));
    const waiting = async () =>
      (
        await db.execute(sql`
          SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
      ).length;
    try {
      await eventually(async () => expect(await waiting()).toBeGreaterThan(0));
      for (let times = 0; times < 20; times += 1) {
        expect((await ada.call('GET', '/folders')).status).toBe(200);
        expect(await waiting()).toBe(1);
      }
    } finally {
      open();
      await holding;
    }
    const statuses = (await Promise.all(reads)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(statuses.filter((status) => status === 404)).toHaveLength(10);
    expect(await linkOf(link.id)).toMatchObject({ uses: 50, state: 'used_up' });
  });

  it('that are refused leave nobody a way to go on, also when they come together', async () => {
    const { db } = service.services;
    const made = await makeLink({ path: 'file', max_uses: 1 });
    const folderId = parseId(made.folder) ?? '';
    const link = { id: made.id, kind: 'download', userId: ada.userId, folderId } as const;
    const uses = openLinkUses();
    const count = (reader: string, isPart: boolean) =>
      uses.count({ db, link, requestId: 'test-request', fetched: { reader, content: 'file', isPart } });
    const together = [
      count('a', false),
      count('b', false),
      count('a', true),
      count('b', true),
      count('a', false),
    ];
    expect(await Promise.all(together)).toEqual([true, false, true, false, false]);
    expect([await count('a', true), await count('b', true)]).toEqual([true, false]);
    const readers = await db.execute(sql`SELECT reader FROM link_readers WHERE link_id = ${link.id}`);
    expect(readers.map(({ reader }) => reader)).toEqual(['a']);
    expect(await linkOf(link.id)).toMatchObject({ uses: 1 });
    await ada.call('DELETE', `/links/${link.id}`);
    expect(await Promise.all([count('c', false), count('d', true)])).toEqual([false, false]);
  });

  it('without a number are counted together, each once', async () => {
    const { id, token } = await makeLink({ path: 'file' });
    const answers = await Promise.all(Array.from({ length: 100 }, () => server.get(`/l/${token}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await linkOf(id)).toMatchObject({ uses: 100, state: 'active' });
    const log = await service.services.db.execute(
      sql`SELECT action FROM audit_entries WHERE subject = ${id} AND action = 'link.use'`,
    );
    expect(log).toHaveLength(1);
  });
});
