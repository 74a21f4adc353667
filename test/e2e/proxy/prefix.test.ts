import { randomBytes } from 'node:crypto';
import { Upload } from 'tus-js-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestProcess } from '../../support/process.ts';
import { type Client, createClient, pathOf } from '../support/http-client.ts';
import { at, textAt } from '../support/json.ts';
import {
  type ApiProcess,
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startWorker,
} from '../support/service.ts';
import { basicHeader, signatureHeader, signatureOf } from '../support/signature.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { type PrefixProxy, startPrefixProxy } from './prefix-proxy.ts';

const prefix = '/storage/v';
const name = `behind-${randomBytes(4).toString('hex')}`;
const folder = (...segments: string[]) => `${prefix}${pathOf('folders', name, ...segments)}`;

let ground: Ground;
let proxy: PrefixProxy;
let api: ApiProcess;
let worker: TestProcess;
let admin: Client;
let browser: Client;

beforeAll(async () => {
  proxy = await startPrefixProxy(prefix);
  ground = await layGround({ backend: 'postgres', env: { VFOLDER_PUBLIC_URL: `${proxy.origin}${prefix}` } });
  await prepareGround(ground);
  [api, worker] = await Promise.all([startApi(ground), startWorker(ground)]);
  proxy.pointTo(api.url);
  admin = createClient(proxy.origin, ground.admin);
  browser = createClient(proxy.origin);
  const made = await admin.call('POST', `${prefix}/folders`, { json: { name } });
  expect(made.status).toBe(201);
}, 60_000);
afterAll(async () => {
  admin?.close();
  browser?.close();
  await Promise.all([api?.process.stop(), worker?.stop()]);
  await proxy?.close();
  await ground?.remove();
});

/** Where a browser goes that is told `location` on a page at `path`. */
const resolve = (path: string, location: string | undefined) => {
  const url = new URL(location ?? '', `${proxy.origin}${path}`);
  expect(url.origin).toBe(proxy.origin);
  return `${url.pathname}${url.search}`;
};

describe('behind a proxy that takes a path prefix away', () => {
  it('names resumable uploads so that clients find them', async () => {
    const content = Buffer.from('through the proxy');
    const metadata = { folder: name, path: 'a.txt' };
    const made = await tus(admin, 'POST', `${prefix}/uploads`, {
      headers: { 'Upload-Metadata': metadataOf(metadata), 'Upload-Length': String(content.length) },
    });
    expect(made.headers.location).toMatch(new RegExp(`^${proxy.origin}${prefix}/uploads/[0-9a-f]{32}$`));
    const path = resolve(`${prefix}/uploads`, made.headers.location);
    expect((await patch(admin, path, 0, content)).status).toBe(204);
    await new Promise<void>((done, reject) => {
      const upload = new Upload(content, {
        endpoint: `${proxy.origin}${prefix}/uploads`,
        headers: { Authorization: basicHeader(ground.admin) },
        metadata: { folder: name, path: 'b.txt' },
        parallelUploads: 2,
        metadataForPartialUploads: { folder: name },
        onSuccess: () => done(),
        onError: reject,
      });
      upload.start();
    });
    for (const file of ['a.txt', 'b.txt']) {
      expect((await admin.call('GET', folder('files', file))).text).toBe(content.toString());
    }
  });

  it('names jobs, archives and transfers so that clients find them', async () => {
    const later = { Prefer: 'respond-async' };
    const parts = [{ fileName: 'c.txt', bytes: 'c' }];
    const uploaded = await admin.call('POST', folder('upload'), { parts, headers: later });
    expect(uploaded.headers.location).toMatch(new RegExp(`^${prefix}/jobs/`));
    expect((await admin.call('GET', resolve(folder('upload'), uploaded.headers.location))).status).toBe(200);
    const archive = await admin.call('POST', folder('archives'), {
      json: { files: ['a.txt'] },
      headers: { Prefer: 'wait=60' },
    });
    expect(archive.status).toBe(201);
    expect((await admin.call('GET', resolve(folder('archives'), archive.headers.location))).status).toBe(200);
    expect((await admin.call('GET', textAt(archive.json, 'job'))).status).toBe(200);
    const token = await admin.call('POST', folder('request-download'), { json: { path: 'a.txt' } });
    const url = new URL(textAt(token.json, 'url'));
    expect(`${url.origin}${url.pathname}`).toBe(`${proxy.origin}${prefix}/download`);
    const fetched = await browser.call('GET', `${url.pathname}?token=${textAt(token.json, 'token')}`);
    expect(fetched.text).toBe('through the proxy');
  });

  it('shows the contract, and where it holds', async () => {
    const page = await browser.call('GET', `${prefix}/docs`);
    expect(page.status).toBe(200);
    const links = [...page.text.matchAll(/href="([^"#]+)"/g)].map(([, link]) => link);
    expect(links).toContain('openapi.json');
    for (const link of links) {
      const path = resolve(`${prefix}/docs`, link);
      const answer = await browser.call('GET', path);
      expect([path, answer.status]).toEqual([path, 200]);
      if (link === 'openapi.json') expect(textAt(answer.json, 'servers', 0, 'url')).toBe(prefix);
    }
  });

  it('leads from every problem to what it means', async () => {
    for (const path of [`${prefix}/folders`, folder('files', 'no', 'such'), `${prefix}/nowhere/at/all`]) {
      const refused = await browser.call('GET', path);
      expect(refused.status).toBeGreaterThanOrEqual(400);
      const type = resolve(path, textAt(refused.json, 'type'));
      const answer = await browser.call('GET', type);
      expect([type, answer.status]).toEqual([type, 200]);
      expect(textAt(answer.json, 'code')).toBe(textAt(refused.json, 'code'));
      expect(textAt(answer.json, 'type')).toBe(type);
    }
  });

  it('shows the dashboard to whoever signs in, and never leads out of the prefix', async () => {
    const html = { Accept: 'text/html,*/*' };
    const asked = await browser.call('GET', `${prefix}/admin/queues`, { headers: html });
    expect(asked.status).toBe(303);
    const signIn = resolve(`${prefix}/admin/queues`, asked.headers.location);
    expect(signIn.startsWith(`${prefix}/sign-in?to=`)).toBe(true);
    const page = await browser.call('GET', signIn);
    const action = /action="([^"]+)"/.exec(page.text)?.[1];
    const to = /name="to" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const { accessKey, secretKey } = ground.admin;
    const signedIn = await browser.call('POST', resolve(signIn, action), {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: proxy.origin },
      body: new URLSearchParams({ access_key: accessKey, secret_key: secretKey, to }).toString(),
    });
    expect(signedIn.status).toBe(303);
    const home = resolve(signIn, signedIn.headers.location);
    expect(home).toBe(`${prefix}/admin/queues`);
    const headers = { Cookie: signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? '', ...html };
    const board = await browser.call('GET', home, { headers });
    expect(board.text).toContain('VFolder queues');
    const base = resolve(home, /<base href="([^"]+)"/.exec(board.text)?.[1]);
    const assets = [...board.text.matchAll(/(?:src|href)="([^"]+\.(?:js|css|svg|png|ico))"/g)];
    expect(assets.length).toBeGreaterThan(0);
    for (const [, asset] of assets) {
      const path = resolve(base, asset);
      expect([path, (await browser.call('GET', path, { headers })).status]).toEqual([path, 200]);
    }
    const queues = await browser.call('GET', resolve(base, 'api/queues'), { headers });
    expect(queues.status).toBe(200);
    expect(JSON.stringify(queues.json)).not.toContain('"/jobs/');
    const signedOut = await browser.call('POST', `${prefix}/sign-out`, {
      headers: { ...headers, Origin: proxy.origin },
    });
    expect(resolve(`${prefix}/sign-out`, signedOut.headers.location)).toBe(`${prefix}/sign-in`);
    expect(proxy.strays).toEqual([]);
  });

  it('accepts signatures over the target as it was sent, and as it arrives, and over no other', async () => {
    const sign = (target: string) => {
      const date = new Date().toISOString();
      const request = {
        method: 'GET',
        target,
        host: new URL(proxy.origin).host,
        date,
        day: date.slice(0, 10).replaceAll('-', ''),
        mediaType: 'application/octet-stream',
        version: undefined,
        body: Buffer.alloc(0),
      };
      const { accessKey, secretKey } = ground.admin;
      const authorization = signatureHeader(accessKey, signatureOf(request, secretKey));
      return { 'X-BackendAI-Date': date, Authorization: authorization };
    };
    const statuses: number[] = [];
    for (const target of [`${prefix}/folders`, '/folders', `/x${prefix}/folders`, `${prefix}/jobs`]) {
      const answer = await browser.call('GET', `${prefix}/folders`, { headers: sign(target) });
      statuses.push(answer.status);
      if (answer.status === 200) expect(at(answer.json, 'items', 0, 'name')).toBe(name);
    }
    expect(statuses).toEqual([200, 200, 401, 401]);
  });
});
