import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { routes } from '../../../api/routes.ts';
import { folders } from '../../../db/schema/folders.ts';
import { transferTokenBytesMax, transferTokensMax } from '../../../domain/transfer-limits.ts';
import { insertTestMember } from '../../support/factories.ts';
import { type Caller, startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
let ada: Caller;
let folderId: string;

beforeAll(async () => {
  service = await startTestService(routes);
});
afterAll(() => service?.close());
beforeEach(async () => {
  ada = await service.signUp();
  const made = await ada.call('POST', '/folders', { body: { name: 'data' } });
  folderId = String(Reflect.get(Object(made.json), 'id'));
});

const download = (who: Caller, name = 'data') =>
  who.call('POST', `/folders/${name}/request-download`, { body: { path: 'a' } });
const upload = (who: Caller) =>
  who.call('POST', '/folders/data/request-upload', { body: { path: 'a', size: 1_000 } });

async function countFor(who: Caller, counted: { readonly tokens: number; readonly bytes: number }) {
  await service.services.db.execute(sql`
    INSERT INTO transfer_token_counts (user_id, good_until, stripe, tokens, bytes)
    VALUES (${who.userId}, now() + interval '90 seconds', 99, ${counted.tokens}, ${counted.bytes})`);
}

async function reserved() {
  const [row] = await service.services.db
    .select({ bytes: folders.reservedBytes, files: folders.reservedFiles })
    .from(folders)
    .where(eq(folders.id, folderId));
  return row;
}

describe('transfer tokens of one user', () => {
  it.each([
    ['as many as there may be', { tokens: transferTokensMax, bytes: 0 }],
    ['as many bytes as they may keep', { tokens: 1, bytes: transferTokenBytesMax }],
  ])('are refused to who has %s, until some expire', async (_, counted) => {
    expect((await download(ada)).status).toBe(200);
    expect((await upload(ada)).status).toBe(200);
    const before = await reserved();
    await countFor(ada, counted);
    for (const answer of [await download(ada), await upload(ada)]) {
      expect([answer.status, answer.json]).toEqual([
        429,
        expect.objectContaining({ code: 'transfer_token_limit_reached', limit: transferTokensMax }),
      ]);
      const seconds = Number(answer.headers['retry-after']);
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(90);
    }
    expect(await reserved()).toEqual(before);
    await service.services.db.execute(sql`
      UPDATE transfer_token_counts SET good_until = now() WHERE user_id = ${ada.userId} AND stripe = 99`);
    expect((await download(ada)).status).toBe(200);
    expect((await upload(ada)).status).toBe(200);
  });

  it('count for who asked, not for the owner of the folder', async () => {
    const bob = await service.signUp();
    await insertTestMember(service.services.db, {
      folderId,
      userId: bob.userId,
      name: 'hers',
      permission: 'ro',
    });
    await countFor(bob, { tokens: transferTokensMax, bytes: 0 });
    expect((await download(bob, 'hers')).status).toBe(429);
    expect((await download(ada)).status).toBe(200);
  });

  it('keep their paths as they are counted', async () => {
    const files = Array.from({ length: 250 }, (_, at) => `${'x'.repeat(200)}/${at}`);
    const body = { files, filename: 'ü.zip' };
    const answer = await ada.call('POST', '/folders/data/request-download-archive', { body });
    expect(answer.status).toBe(200);
    const [row] = await service.services.db.execute(
      sql`SELECT sum(tokens)::int AS tokens, sum(bytes)::int AS bytes FROM transfer_token_counts WHERE user_id = ${ada.userId}`,
    );
    expect(row).toEqual({ tokens: 1, bytes: JSON.stringify(files).length + 6 });
  });
});
