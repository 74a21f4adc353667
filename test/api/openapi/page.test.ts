import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeRoutes } from '../../../api/openapi/document.ts';
import { referencePage } from '../../../api/openapi/page.ts';
import { routes } from '../../../api/routes.ts';
import { findBrowser, startBrowser } from '../../support/browser.ts';
import { type CoreServer, startOwnServer } from '../core-server.ts';

let server: CoreServer;
beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => server?.close());

const executablePath = findBrowser();

describe('GET /docs', () => {
  it('shows everybody each operation of the document once, and leads nowhere but to itself and the document', async () => {
    const { status, headers, text } = await server.send({ path: '/docs' });
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { doc } of routes.filter((route) => route.doc.isForPeople !== true)) {
      expect(ids).toContain(doc.id);
    }
    const targets = [...text.matchAll(/ href="([^"]*)"/g)].map(([, target]) => target);
    const known = new Set(['openapi.json', ...ids.map((id) => `#${id}`)]);
    expect(targets.filter((target) => !known.has(target ?? ''))).toEqual([]);
  });

  it('may load nothing and run nothing', async () => {
    const { headers, text } = await server.send({ path: '/docs' });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base/);
    expect(text).not.toMatch(/<script|<link|<img|<iframe|\ssrc=|url\(|@import/i);
  });

  it('shows what routes say of themselves as text', () => {
    const hostile = '"><script>alert(1)</script>`<b>`';
    const doc = { tag: 'Service', id: 'x', summary: hostile } as const;
    const [route] = routes.map((one) => ({ ...one, path: '/<i>', doc }));
    if (route === undefined) throw new Error('There are routes.');
    const page = String(referencePage(describeRoutes([route], '<1>')).bytes);
    expect(page).not.toMatch(/<script|<b>`|<i>|<1>/);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it.skipIf(executablePath === undefined)(
    'asks no host for anything in a browser, and has its style',
    async () => {
      let browser: Browser | undefined;
      try {
        browser = await startBrowser(executablePath ?? '');
        const page = await browser.newPage();
        const asked: string[] = [];
        const complaints: string[] = [];
        page.on('request', (request) => asked.push(request.url()));
        page.on('console', (message) => complaints.push(message.text()));
        const url = `http://${server.host}/docs`;
        await page.goto(url);
        await page.getByRole('link', { name: 'POST /folders/{name}/clone', exact: true }).click();
        expect(new URL(page.url()).hash).toBe('#cloneFolder');
        expect(await page.evaluate("getComputedStyle(document.querySelector('article')).borderRadius")).toBe(
          '8px',
        );
        // A browser asks for an icon by itself.
        expect(asked.filter((one) => !one.endsWith('/favicon.ico'))).toEqual([url]);
        expect(complaints.filter((one) => !one.includes('404'))).toEqual([]);
      } finally {
        await browser?.close();
      }
    },
  );
});
