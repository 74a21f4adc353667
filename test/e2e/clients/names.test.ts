import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallOptions } from '../support/http-client.ts';
import { textsAt } from '../support/json.ts';
import { multipart } from '../support/multipart.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestFolder, type TestUser } from '../support/users.ts';
import { partsOf } from './golden.ts';

const names = [
  'with space.txt',
  ' at both ends ',
  '100% %41%2F%00.txt',
  'plus+plus & a=b?c#d.txt',
  'single \' and double "quotes".txt',
  'semi;colon; twice,comma.txt',
  'back\\slash.txt',
  '데이터 naïve 👩‍👩‍👧.txt',
  'x'.repeat(255),
  `${'é'.repeat(127)}x`,
  'sub dir/50%/in "it".txt',
];

let service: Service;
let ada: TestUser;
beforeAll(async () => {
  service = await startService({ backend: 'postgres', workers: 1 });
  ada = await createUser(service, 'ada');
});
afterAll(() => service?.stop());

const python = 'Backend.AI Client for Python';
const percent = (name: string) =>
  encodeURIComponent(name).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);

/** How clients say a file's name, by what they are made with. */
const ways: Readonly<
  Record<string, { readonly userAgent: string; disposition(name: string): string | undefined }>
> = {
  'raw, by undici and browsers': {
    userAgent: 'Backend.AI Client for Javascript 20.11.0',
    disposition: () => undefined,
  },
  'percent-encoded, by aiohttp since 3.8': {
    userAgent: `${python} 22.03.2`,
    disposition: (name) => `form-data; name="src"; filename="${percent(name)}"`,
  },
  'twice, by aiohttp before': {
    userAgent: `${python} 19.03.2`,
    disposition: (name) =>
      `form-data; name="src"; filename="${percent(name)}"; filename*=utf-8''${percent(name)}`,
  },
};

function call(method: string, path: string, version: string, options: CallOptions) {
  return ada.client.call(method, path, { auth: { hmac: { version } }, ...options });
}

/** The name a part of a download carries, as aiohttp reads it. */
function partName(head: string): string {
  const extended = /filename\*=UTF-8''(\S+)/i.exec(head)?.[1];
  if (extended !== undefined) return decodeURIComponent(extended);
  return /filename="([^"]*)"/.exec(head)?.[1] ?? '';
}

async function readBack(folder: TestFolder, name: string): Promise<void> {
  const base = name.slice(name.lastIndexOf('/') + 1);
  for (const version of ['v4.20181215', 'v4.20190615']) {
    const { headers, bytes, status } = await call('GET', folder.path('download'), version, {
      json: { files: [name] },
    });
    expect(status).toBe(200);
    expect(headers['x-total-payloads-length']).toBe(String(Buffer.byteLength(name)));
    const [part] = partsOf({
      status,
      headers: new Map([['content-type', String(headers['content-type'])]]),
      body: bytes,
    });
    expect({ name: partName(part?.head ?? ''), content: part?.content }).toEqual({
      name: base,
      content: name,
    });
    expect(part?.head).toContain(
      version === 'v4.20181215' ? 'Content-Encoding: gzip' : 'Content-Encoding: identity',
    );
  }
  const single = await call('GET', folder.path('download_single'), 'v4.20190615', {
    query: { file: name, archive: false },
  });
  expect(single.text).toBe(name);
}

describe.each(Object.entries(ways))('a file name said %s', (_how, { userAgent, disposition }) => {
  it.each(names)('is kept: %j', async (name) => {
    const folder = await createFolder(ada.client);
    const written = disposition(name);
    const part = { fileName: name, bytes: name, ...(written === undefined ? {} : { disposition: written }) };
    const { contentType, body } = multipart([part]);
    const headers = { 'Content-Type': contentType, 'User-Agent': userAgent };
    const uploaded = await call('POST', folder.path('upload'), 'v4.20190615', { body, headers });
    expect(uploaded.status, uploaded.text).toBe(201);
    expect(textsAt(uploaded.json, 'path', 'files')).toEqual([name]);
    await readBack(folder, name);
  });
});
