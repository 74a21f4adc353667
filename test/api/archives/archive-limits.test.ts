import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archives } from '../../../db/schema/archives.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { archivesOpenMax, archivesStoredMax } from '../../../domain/archive-limits.ts';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import { startUploadService, type UploadService } from '../uploads/upload-service.ts';

let service: UploadService;
let folder: { readonly id: string; readonly name: string };
beforeAll(async () => {
  service = await startUploadService();
  folder = await service.makeFolder({});
  await service.volume.makeDirectory(folder.id, parseEntryPath('tree', 'write'), {
    parents: true,
    existOk: true,
  });
});
afterAll(() => service.close());

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`http://127.0.0.1:${service.port}${path}`, {
    method,
    headers: { Authorization: service.authorization, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) };
}

const ask = () => call('POST', `/folders/${folder.name}/archives`, { files: ['tree'] });

async function storeArchives(count: number, sizeBytes: number): Promise<string[]> {
  const rows = Array.from({ length: count }, () => ({
    id: uuidv7(),
    folderId: folder.id,
    actorId: service.userId,
    volume: 'local',
    format: 'zip' as const,
    fileName: 'x.zip',
    sizeBytes,
    sha256: '',
    expiresAt: new Date(Date.now() + 3_600_000),
  }));
  await service.services.db.insert(archives).values(rows);
  return rows.map(({ id }) => id);
}

describe('archives of one user', () => {
  it('wait or are built a few at a time, however many are asked for at once', async () => {
    const answers = await Promise.all(Array.from({ length: 3 * archivesOpenMax }, ask));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(archivesOpenMax);
    const refused = answers.filter(({ status }) => status !== 202);
    for (const { status, json, headers } of refused) {
      expect([status, json.code]).toEqual([429, 'archives_busy']);
      expect(headers.get('retry-after')).toBe('5');
    }
    await service.services.db.delete(jobs).where(undefined);
    expect((await ask()).status).toBe(202);
    await service.services.db.delete(jobs).where(undefined);
  });

  it('are refused when there are too many of them, until one is deleted', async () => {
    const ids = await storeArchives(archivesStoredMax, 1);
    expect(await ask()).toMatchObject({ status: 409, json: { code: 'archive_limit_reached' } });
    expect((await call('DELETE', `/archives/${ids[0]}`)).status).toBe(204);
    expect((await call('DELETE', `/archives/${ids[0]}`)).status).toBe(404);
    expect((await ask()).status).toBe(202);
    await service.services.db.delete(jobs).where(undefined);
    await service.services.db.delete(archives).where(undefined);
    const [large] = await storeArchives(1, 64 * 1024 ** 3);
    expect((await ask()).status).toBe(409);
    expect((await call('DELETE', `/archives/${large}`)).status).toBe(204);
  });
});
