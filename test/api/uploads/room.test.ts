import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { abortUpload, releaseUpload, reserveUpload } from '../../../db/queries/uploads.ts';
import { folders } from '../../../db/schema/folders.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { uploads } from '../../../db/schema/uploads.ts';
import { eventually } from '../../support/eventually.ts';
import { startUploadService, type UploadService } from './upload-service.ts';

const gib = 1024 ** 3;
let service: UploadService;
beforeAll(async () => {
  service = await startUploadService();
});
afterAll(() => service.close());

/** Sends a head with `Expect: 100-continue` and no body, and answers what comes back until the connection closes. */
async function ask(
  name: string,
  declaredBytes: number,
  type = 'multipart/form-data; boundary=b',
): Promise<string> {
  const socket = connect(service.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
    // Somebody who is told to go on breaks the upload off.
    if (/^HTTP\/1\.1 100 /.test(text)) socket.end();
  });
  socket.write(
    `POST /folders/${name}/upload HTTP/1.1\r\nHost: a\r\nAuthorization: ${service.authorization}\r\n` +
      `Content-Type: ${type}\r\nContent-Length: ${declaredBytes}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await once(socket, 'close');
  return text;
}

const continued = /^HTTP\/1\.1 100 Continue\r\n/;

function problemIn(text: string): Record<string, unknown> {
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
}

describe('an upload of a declared size', () => {
  it('that can never fit is refused before its body is sent', async () => {
    const folder = await service.makeFolder({});
    const text = await ask(folder.name, 2 * gib);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(problemIn(text)).toMatchObject({
      code: 'quota_exceeded',
      limit: gib,
      used: 0,
      reserved: 0,
      requested: expect.any(Number),
    });
    expect(await service.services.db.select().from(uploads).where(eq(uploads.folderId, folder.id))).toEqual(
      [],
    );
  });

  it('for which there is too little room at present is refused at once with 507', async () => {
    const folder = await service.makeFolder({});
    await service.services.db
      .update(folders)
      .set({ usedBytes: gib / 2 })
      .where(eq(folders.id, folder.id));
    const text = await ask(folder.name, gib - 1);
    expect(text).toMatch(/^HTTP\/1\.1 507 /);
    expect(problemIn(text)).toMatchObject({ code: 'quota_exceeded', limit: gib, used: gib / 2 });
  });

  it('into a folder whose trash holds all the files it may is refused at once', async () => {
    const folder = await service.makeFolder({ quotaFiles: 3 });
    const set = (values: { usedFiles: number; trashFiles: number }) =>
      service.services.db.update(folders).set(values).where(eq(folders.id, folder.id));
    await set({ usedFiles: 0, trashFiles: 3 });
    const text = await ask(folder.name, 100);
    expect(text).toMatch(/^HTTP\/1\.1 507 /);
    expect(problemIn(text)).toMatchObject({ resource: 'files', limit: 3, used: 3, requested: 1 });
    // It may be about to replace one that is there.
    await set({ usedFiles: 1, trashFiles: 2 });
    expect(await ask(folder.name, 100)).toMatch(continued);
  });

  it('that might fit, as far as its framing goes, is told to go on', async () => {
    const folder = await service.makeFolder({ quotaFiles: 1 });
    expect(await ask(folder.name, gib + 1_000_000)).toMatch(continued);
    expect(await ask(folder.name, 10)).toMatch(continued);
  });

  it('that has to be refused for its head is refused before its body is sent', async () => {
    const folder = await service.makeFolder({});
    expect(await ask('nowhere', 10)).toMatch(/^HTTP\/1\.1 404 /);
    expect(await ask(folder.name, 10, 'text/plain')).toMatch(/^HTTP\/1\.1 415 /);
  });
});

describe('room that another upload holds', () => {
  const form = `--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nhello\r\n--b--\r\n`;

  async function hold(folderId: string): Promise<string> {
    const { db } = service.services;
    const id = uuidv7();
    await reserveUpload(db, { id, folderId, actorId: service.userId, amount: { bytes: 10, files: 1 } });
    return id;
  }

  it('is refused with the time to ask again while that upload is alive', async () => {
    const folder = await service.makeFolder({ quotaFiles: 1 });
    await hold(folder.id);
    const refused = await service.post(folder.name, form);
    expect(refused.status).toBe(507);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'quota_exceeded', resource: 'files', reserved: 1 });
  });

  it('is refused without one when nobody holds it', async () => {
    const folder = await service.makeFolder({ quotaFiles: 1 });
    await service.services.db.update(folders).set({ usedFiles: 1 }).where(eq(folders.id, folder.id));
    const refused = await service.post(folder.name, form);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([507, null]);
  });

  it('comes back at once when nobody is left to go on with that upload', async () => {
    const { db } = service.services;
    const folder = await service.makeFolder({ quotaFiles: 1 });
    const id = await hold(folder.id);
    await db
      .update(uploads)
      .set({ leaseUntil: new Date(Date.now() - 1_000) })
      .where(eq(uploads.id, id));
    const answered = service.post(folder.name, form);
    await eventually(async () => {
      const wanted = await db.select().from(jobs).where(eq(jobs.kind, 'uploads.expire'));
      expect(wanted).toMatchObject([{ state: 'queued', volume: 'local' }]);
    });
    // What the job comes to.
    await abortUpload(db, id);
    await releaseUpload(db, id);
    expect((await answered).status).toBe(202);
  });
});

describe('a form', () => {
  it('with more besides its files than forms need is refused', async () => {
    const folder = await service.makeFolder({});
    const field = `--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n${'x'.repeat(2 * 1024 ** 2)}\r\n--b--\r\n`;
    const response = await service.post(folder.name, field);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'body_too_large' });
  });

  it('that a broken chunk ends gets 400, and its reservation is given back', async () => {
    const folder = await service.makeFolder({});
    const socket = connect(service.port, '127.0.0.1');
    const part = `--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n${'x'.repeat(600_000)}`;
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.write(
      `POST /folders/${folder.name}/upload HTTP/1.1\r\nHost: a\r\nAuthorization: ${service.authorization}\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${part.length.toString(16)}\r\n${part}\r\nzz\r\n`,
    );
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(problemIn(text)).toMatchObject({ code: 'request_malformed' });
    const [row] = await service.services.db.select().from(folders).where(eq(folders.id, folder.id));
    expect(row).toMatchObject({ reservedBytes: 0, reservedFiles: 0, usedBytes: 0 });
    expect(await service.volume.listStages(folder.id)).toEqual([]);
  });

  it('with another body than its digest says publishes nothing', async () => {
    const folder = await service.makeFolder({});
    const body = `--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nhello\r\n--b--\r\n`;
    const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
    const wrong = await service.post(folder.name, body, { 'X-VFolder-Content-SHA256': digestOf(`${body} `) });
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'digest_mismatch' }),
    ]);
    const [row] = await service.services.db.select().from(folders).where(eq(folders.id, folder.id));
    expect(row).toMatchObject({ reservedBytes: 0, reservedFiles: 0 });
    expect(await service.volume.listStages(folder.id)).toEqual([]);
    const right = await service.post(folder.name, body, { 'X-VFolder-Content-SHA256': digestOf(body) });
    expect(right.status).toBe(202);
  });
});
