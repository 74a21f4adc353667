import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createServer } from '../../../api/server.ts';
import type { Services } from '../../../api/services.ts';
import { uploadRoutes } from '../../../api/uploads/routes.ts';
import { shareUploadStatements } from '../../../api/uploads/statements.ts';
import type { Database } from '../../../db/client.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import { uploads } from '../../../db/schema/uploads.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A database whose connection goes away right after (or before) a COMMIT took effect. */
function losing(db: Database, when: 'after' | 'before'): Database {
  const transaction: Database['transaction'] = async (run, config) => {
    if (when === 'after') await db.transaction(run, config);
    throw Object.assign(new Error('The connection is gone.'), { code: 'CONNECTION_CLOSED' });
  };
  return new Proxy(db, {
    get: (target, name): unknown => (name === 'transaction' ? transaction : Reflect.get(target, name)),
  });
}

async function upload(services: Services, userId: string, folder: string): Promise<number> {
  const accessKey = `AK${folder.toUpperCase()}`;
  await insertKeypair(services.db, { accessKey, userId, secretSealed: services.secrets.seal('secret') });
  const server = createServer({ services, routes: uploadRoutes, logger: silent });
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  try {
    const form = new FormData();
    form.append('src', new Blob(['alpha']), 'a.txt');
    const authorization = `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}`;
    const response = await fetch(`http://127.0.0.1:${port}/folders/${folder}/upload`, {
      method: 'POST',
      headers: { Authorization: authorization, Prefer: 'respond-async' },
      body: form,
    });
    await response.arrayBuffer();
    return response.status;
  } finally {
    await server.close(1_000);
  }
}

it.each([
  { when: 'after', status: 202, state: 'staged', stages: 1 },
  { when: 'before', status: 503, state: 'aborted', stages: 0 },
] as const)('answers $status when the connection is lost $when the commit of an upload', async (expected) => {
  const caller = await service.signUp();
  const folder = `lost${expected.when}`;
  const { json } = await caller.call('POST', '/folders', { body: { name: folder } });
  expect(json).toMatchObject({ name: folder });
  const db = losing(service.services.db, expected.when);
  const uploadStatements = shareUploadStatements({ db, jobs: service.services.jobs });
  const services = { ...service.services, db, uploads: uploadStatements };
  expect(await upload(services, caller.userId, folder)).toBe(expected.status);
  const rows = await service.services.db
    .select({ state: uploads.state, folderId: uploads.folderId })
    .from(uploads)
    .where(sql`actor_id = ${caller.userId}`);
  expect(rows).toEqual([{ state: expected.state, folderId: expect.any(String) }]);
  expect(await service.volume.listStages(rows[0]?.folderId ?? '')).toHaveLength(expected.stages);
});
