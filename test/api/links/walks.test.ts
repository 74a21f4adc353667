import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLinkBounds } from '../../../api/links/bounds.ts';
import { linkRoutes } from '../../../api/links/routes.ts';
import { openLinkWalks } from '../../../api/links/walks.ts';
import { routes } from '../../../api/routes.ts';
import { parseId } from '../../../domain/ids.ts';
import { folderComponents } from '../../../storage/posix/layout.ts';
import { gate } from '../../support/gate.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';
import { startLinkServer } from './link-server.ts';

const busy = { code: 'requests_busy' };

describe('walks of links', () => {
  it('are few at a time for one link, in the order of arrival, and none of another link waits for them', async () => {
    const walks = openLinkWalks({ parallelMax: 1, waitingMax: 2 });
    const { opened, open } = gate();
    const done: number[] = [];
    const walk = (index: number) => walks.run('one', async () => void done.push(index));
    const first = walks.run('one', () => opened);
    const waiting = [walk(1), walk(2)];
    await expect(walk(3)).rejects.toMatchObject(busy);
    await expect(walks.run('two', async () => 'walked')).resolves.toBe('walked');
    expect(done).toEqual([]);
    open();
    await Promise.all([first, ...waiting]);
    expect(done).toEqual([1, 2]);
    await expect(walks.run('one', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    await expect(walks.run('one', async () => 'again')).resolves.toBe('again');
  });
});

describe('a link whose walks are all taken', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startTestService(routes);
  });
  afterAll(() => service?.close());

  it('refuses listings and zips until later, and answers heads and files', async () => {
    const ada = await service.signUp();
    const folder = Object((await ada.call('POST', '/folders', { body: { name: 'data' } })).json);
    const folderId = parseId(folder.id) ?? '';
    const dir = join(service.root, 'f', ...folderComponents(folderId), 'data', 'd');
    await mkdir(dir);
    await writeFile(join(dir, 'file'), 'content');
    const body = { folder: 'data', path: 'd', expires_in: 600 };
    const { id, token } = Object((await ada.call('POST', '/links', { body })).json);
    const walks = openLinkWalks({ parallelMax: 1, waitingMax: 0 });
    const server = await startLinkServer(service.services, {
      routes: linkRoutes({ ...openLinkBounds(), walks }),
    });
    const { opened, open } = gate();
    const walking = walks.run(id, () => opened);
    try {
      for (const accept of ['application/json', '*/*']) {
        const refused = await server.get(`/l/${token}`, { accept });
        expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
        expect(await refused.json()).toMatchObject(busy);
      }
      expect((await fetch(`${server.base}/l/${token}`, { method: 'HEAD' })).status).toBe(200);
      expect(await (await server.get(`/l/${token}/file`)).text()).toBe('content');
      open();
      await walking;
      expect((await server.get(`/l/${token}`)).status).toBe(200);
      const zip = await server.get(`/l/${token}`, { accept: '*/*' });
      expect([zip.status, zip.headers.get('content-type')]).toEqual([200, 'application/zip']);
      await zip.arrayBuffer();
    } finally {
      open();
      await server.close();
    }
  });
});
