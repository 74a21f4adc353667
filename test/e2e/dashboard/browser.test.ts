import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBrowser, startBrowser } from '../../support/browser.ts';
import { eventually } from '../../support/eventually.ts';
import { pathOf } from '../support/http-client.ts';
import { awaitJob, readJob } from '../support/jobs.ts';
import { at, listAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser, type TestUser } from '../support/users.ts';
import { type FailedJob, makeFailedJob } from './failed-job.ts';
import { startLongArchive } from './long-archive.ts';

const executablePath = findBrowser();

describe.skipIf(executablePath === undefined)('the dashboard in a browser', () => {
  let service: Service;
  let browser: Browser;
  let page: Page;
  let ada: TestUser;
  let failed: FailedJob;
  const foreign: string[] = [];
  const complaints: string[] = [];
  beforeAll(async () => {
    service = await startService({ backend: 'postgres' });
    ada = await createUser(service, 'ada');
    failed = await makeFailedJob(ada.client, service.volumeRoot);
    browser = await startBrowser(executablePath ?? '');
    page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(service.url) && !url.startsWith('data:')) foreign.push(url);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
  });
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
  });

  /** Sees the percentage of a build rise in the list of active jobs, without a reload. */
  async function watchArchive(): Promise<void> {
    const job = await startLongArchive(ada.client, service.volumeRoot);
    await page.goto(`${service.url}/admin/queues/queue/archive.local?status=active`);
    await page.getByText('archive.build').first().waitFor();
    const ring = page.getByRole('progressbar').first();
    const percent = async () => Number(await ring.getAttribute('aria-valuenow'));
    const first = await eventually(
      async () => {
        const shown = await percent();
        expect(shown).toBeGreaterThan(0);
        return shown;
      },
      { timeoutMs: 60_000, everyMs: 100 },
    );
    await eventually(async () => expect(await percent()).toBeGreaterThan(first), {
      timeoutMs: 60_000,
      everyMs: 100,
    });
    await ada.client.call('DELETE', pathOf('jobs', job));
    expect((await awaitJob(ada.client, job)).state).toBe('cancelled');
  }

  it('signs in, gives a failed job another go, watches an archive grow, and pauses a queue', async () => {
    await page.goto(`${service.url}/admin/queues`);
    expect(new URL(page.url()).pathname).toBe('/sign-in');
    await page.getByLabel('Access key').fill(service.admin.accessKey);
    await page.getByLabel('Secret key').fill(service.admin.secretKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('archive.local').first().waitFor();

    await page.goto(`${service.url}/admin/queues/queue/archive.local?status=failed`);
    await page.getByText('archive.build').first().waitFor();
    await failed.mend();
    await page.getByRole('button', { name: 'Retry all' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await eventually(async () => {
      expect((await readJob(service.administrator, failed.id)).state).toBe('succeeded');
    });

    await watchArchive();

    await page.locator('button[aria-haspopup="menu"]').first().click();
    await page.getByRole('menuitem', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await eventually(async () => {
      const path = '/admin/queues/api/queues?activeQueue=archive.local';
      const shown = (await service.administrator.call('GET', path)).json;
      const queue = listAt(shown, 'queues').find((one) => at(one, 'name') === 'archive.local');
      expect(at(queue, 'isPaused')).toBe(true);
    });
  });

  it('asks no other host for anything, and breaks no policy of its own', () => {
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
