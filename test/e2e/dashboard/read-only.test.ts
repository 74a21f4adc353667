import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, listAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';

const queue = '/admin/queues/api/queues/archive.local';

describe('the dashboard with VFOLDER_BULLBOARD_READONLY', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ backend: 'postgres', env: { VFOLDER_BULLBOARD_READONLY: 'true' } });
  });
  afterAll(() => service?.stop());

  it('shows the queues, and says that they can only be looked at', async () => {
    const board = await service.administrator.call('GET', '/admin/queues');
    expect([board.status, board.text]).toEqual([200, expect.stringContaining('read only')]);
    const shown = await service.administrator.call('GET', '/admin/queues/api/queues');
    expect(listAt(shown.json, 'queues').map((one) => at(one, 'name'))).toContain('archive.local');
  });

  it.each([
    `${queue}/pause`,
    `${queue}/retry/failed`,
    `${queue}/concurrency`,
    '/admin/queues/api/queues/pause',
  ])('presses no button by %s', async (path) => {
    const answer = await service.administrator.call('PUT', path, { json: { concurrency: 1 } });
    expect(answer.status).toBe(405);
    const settings = await service.administrator.call('GET', '/admin/queue-settings');
    for (const one of listAt(settings.json, 'items')) {
      expect([at(one, 'is_paused'), at(one, 'concurrency')]).toEqual([false, null]);
    }
  });

  it('leaves the routes for programs as they are', async () => {
    const path = '/admin/queue-settings/archive.local';
    expect((await service.administrator.call('PATCH', path, { json: { concurrency: 2 } })).status).toBe(200);
    const retried = await service.administrator.call('POST', `${path}/retry-failed`, { json: {} });
    expect([retried.status, retried.json]).toEqual([200, { retried: 0, skipped: 0 }]);
    const lifted = await service.administrator.call('PATCH', path, { json: { concurrency: null } });
    expect(lifted.status).toBe(200);
  });
});
