import { eq, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { routes } from '../../../api/routes.ts';
import { createServer } from '../../../api/server.ts';
import type { Services } from '../../../api/services.ts';
import { shareUploadStatements } from '../../../api/uploads/statements.ts';
import type { Database } from '../../../db/client.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { uploadFiles } from '../../../db/schema/upload-files.ts';
import { uploads } from '../../../db/schema/uploads.ts';
import { eventually } from '../../support/eventually.ts';
import { type Caller, startTestService, type TestService } from '../folders/test-service.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
let service: TestService;
let ada: Caller;
let link: { readonly id: string; readonly token: string };
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  service = await startTestService(routes);
});
afterAll(() => service?.close());
beforeEach(async () => {
  ada = await service.signUp();
  await ada.call('POST', '/folders', { body: { name: 'data' } });
  const body = { folder: 'data', kind: 'upload', expires_in: 600, max_uses: 5 };
  const made = Object((await ada.call('POST', '/links', { body })).json);
  link = { id: String(made.id), token: String(made.token) };
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function fill(
  names: readonly string[],
  { services = service.services, query = '' }: { readonly services?: Services; readonly query?: string } = {},
) {
  const server = createServer({ services, routes, logger: silent });
  closing.push(() => server.close(1_000));
  const port = await server.listen({ port: 0, host: '127.0.0.1' });
  const form = new FormData();
  for (const name of names) form.append('src', new Blob([name]), name);
  const url = `http://127.0.0.1:${port}/l/${link.token}${query}`;
  const answer = await fetch(url, { method: 'POST', body: form });
  return { status: answer.status, body: Object(await answer.json()) };
}

const usesOf = async () => Reflect.get(Object((await ada.call('GET', `/links/${link.id}`)).json), 'uses');

async function findCommit(): Promise<string> {
  const { db } = service.services;
  return await eventually(async () => {
    const found = await db
      .select({ id: jobs.id })
      .from(jobs)
      .where(sql`actor_id = ${ada.userId} AND kind = 'upload.commit'`);
    expect(found).toHaveLength(1);
    return found[0]?.id ?? '';
  });
}

const stored = (path: string) => ({ path, size: 1, sha256: '00' });
const lost = (path: string) => ({ path, code: 'entry_conflict' });

describe('a use of a link for uploads', () => {
  it.each([
    ['is kept', 'one of the files is in place', 1, { files: [stored('a')], failed: [lost('b')] }],
    ['is given back', 'none of them is', 0, { files: [], failed: [lost('a'), lost('b')] }],
  ])('%s when the commit ends and %s', async (_what, _when, uses, result) => {
    const filling = fill(['a', 'b']);
    const end = { state: 'succeeded', result, finishedAt: sql`now()` } as const;
    await service.services.db
      .update(jobs)
      .set(end)
      .where(eq(jobs.id, await findCommit()));
    const { status, body } = await filling;
    expect([status, body]).toEqual([400, expect.objectContaining({ code: 'entry_conflict' })]);
    expect(Reflect.get(body, 'committed')).toBe(uses === 0 ? undefined : 1);
    expect(await usesOf()).toBe(uses);
  });

  it.each([
    ['given back', 'is refused', { state: 'failed', errorCode: 'entry_conflict' }, false, 0],
    ['given back', 'is cancelled before it begins', { state: 'cancelled' }, false, 0],
    ['kept', 'is cancelled once it has begun', { state: 'cancelled' }, true, 1],
    ['kept', 'breaks off once it has begun', { state: 'failed', errorCode: 'volume_unavailable' }, true, 1],
    ['given back', 'finds no room on the volume', { state: 'failed', errorCode: 'volume_full' }, true, 0],
  ] as const)('is %s when the commit %s', async (_what, _when, end, isNoted, uses) => {
    const { db } = service.services;
    const filling = fill(['a']);
    const jobId = await findCommit();
    if (isNoted) {
      const [upload] = await db.select({ id: uploads.id }).from(uploads).where(eq(uploads.jobId, jobId));
      await db
        .update(uploadFiles)
        .set({ replacedBytes: 0, replacedFiles: 0 })
        .where(eq(uploadFiles.uploadId, upload?.id ?? ''));
    }
    await db
      .update(jobs)
      .set({ ...end, finishedAt: sql`now()` })
      .where(eq(jobs.id, jobId));
    expect((await filling).status).toBeGreaterThanOrEqual(400);
    expect(await usesOf()).toBe(uses);
  });

  const gone = () => Object.assign(new Error('The connection is gone.'), { code: 'CONNECTION_CLOSED' });

  /** Services whose database goes away at the COMMIT that records an upload, before or after it took effect. */
  function losing(when: 'before' | 'after'): Services {
    const { db, jobs: client } = service.services;
    let isGone = false;
    const record: Database['transaction'] = async (run, config) => {
      if (when === 'after') await db.transaction(run, config);
      isGone = true;
      throw gone();
    };
    const recording = new Proxy(db, {
      get: (target, name): unknown => (name === 'transaction' ? record : Reflect.get(target, name)),
    });
    // Nobody learns what came of it: whether it was recorded cannot be read, nor can it be aborted. Then the database is back.
    const failing = new Set<PropertyKey>(when === 'after' ? ['select', 'update'] : []);
    const looking = new Proxy(db, {
      get: (target, name): unknown => {
        if (isGone && failing.delete(name)) throw gone();
        return Reflect.get(target, name);
      },
    });
    const statements = shareUploadStatements({ db: recording, jobs: client });
    return { ...service.services, db: looking, uploads: statements };
  }

  it.each([
    ['given back', 'is undone', 'before', 0],
    ['kept', 'may have been recorded', 'after', 1],
  ] as const)('is %s when the database is lost and the upload %s', async (_what, _when, when, uses) => {
    expect(await fill(['a'], { services: losing(when) })).toMatchObject({ status: 503 });
    expect(await usesOf()).toBe(uses);
    const [upload] = await service.services.db
      .select({ state: uploads.state })
      .from(uploads)
      .where(eq(uploads.actorId, ada.userId));
    expect(upload?.state).toBe(when === 'before' ? 'aborted' : 'staged');
  });

  it('stages each of the files of one name', async () => {
    expect(await fill(['a', 'a'], { query: '?if_exists=fail' })).toMatchObject({ status: 400 });
    expect(await usesOf()).toBe(0);
    const filling = fill(['a', 'a', 'a/b']);
    const jobId = await findCommit();
    const staged = await service.services.db
      .select({ path: uploadFiles.path })
      .from(uploadFiles)
      .innerJoin(uploads, eq(uploads.id, uploadFiles.uploadId))
      .where(eq(uploads.jobId, jobId));
    expect(staged.map(({ path }) => path)).toEqual(['a', 'a', 'a/b']);
    const end = { state: 'cancelled', finishedAt: sql`now()` } as const;
    await service.services.db.update(jobs).set(end).where(eq(jobs.id, jobId));
    expect((await filling).status).toBe(409);
  });
});
