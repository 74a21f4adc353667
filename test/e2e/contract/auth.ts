import { describe, expect, it } from 'vitest';
import type { CallOptions } from '../support/http-client.ts';
import { listAt, textAt } from '../support/json.ts';
import {
  basicHeader,
  type Keypair,
  type RequestToSign,
  signatureHeader,
  signatureOf,
} from '../support/signature.ts';
import { createFolder } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type People, type Stage, usePeople } from './stage.ts';

/** Published vectors: the keypair and the requests of real clients with the signatures they made. */
const vectorKey = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const vectorBase = {
  host: '127.0.0.1:8080',
  date: '2026-11-23T13:00:00+00:00',
  day: '20261123',
  body: Buffer.alloc(0),
};
const vectors: readonly (readonly [RequestToSign, string])[] = [
  [
    {
      ...vectorBase,
      method: 'POST',
      target: '/folders',
      mediaType: 'application/json',
      version: 'v4.20190615',
    },
    'ef92e6b3d92f28b118e62a0f2019dc785ae3c8e422cd8b82893dd1fc49d3c661',
  ],
  [
    {
      ...vectorBase,
      method: 'GET',
      target: '/v2/folders/mydata/files',
      mediaType: 'application/json',
      version: 'v2.20170315',
      body: Buffer.from('{"path": "."}'),
    },
    '555c61e8be9017d969199e8abb3eed5762d03f84e5f960583ab9b24c4f59368b',
  ],
  [
    {
      ...vectorBase,
      method: 'GET',
      target: '/folders',
      date: '2026-11-24T01:30:00+09:00',
      day: '20261124',
      mediaType: 'text/plain',
      version: 'v4.20190615',
    },
    'ce2d2cc4d1793cc883ee984de6ee498ea592b4811d2f2819174699f3ee7d1e1a',
  ],
];

/** The headers of a signed request; `given` replaces parts of what is signed. */
function signedHeaders(
  stage: Stage,
  keypair: Keypair,
  given: Partial<RequestToSign> & { readonly dateHeader?: string } = {},
): Record<string, string> {
  const date = given.date ?? new Date().toISOString();
  const request = {
    method: 'GET',
    target: '/folders',
    host: new URL(stage.service.url).host,
    day: date.slice(0, 10).replaceAll('-', ''),
    mediaType: 'application/octet-stream',
    version: 'v4.20190615',
    body: Buffer.alloc(0),
    ...given,
    date,
  };
  return {
    [given.dateHeader ?? 'Date']: date,
    'X-BackendAI-Version': request.version ?? '',
    Authorization: signatureHeader(keypair.accessKey, signatureOf(request, keypair.secretKey)),
  };
}

function describeSignatures(stage: Stage, people: People): void {
  const ask = (headers: CallOptions['headers'], path = '/folders') =>
    people.ada.client.call('GET', path, { auth: 'none', ...(headers === undefined ? {} : { headers }) });

  it('is made by this suite as published clients make it', () => {
    for (const [request, expected] of vectors) expect(signatureOf(request, vectorKey)).toBe(expected);
  });

  it('is accepted with each kind of version and body', async () => {
    const folder = await createFolder(people.ada.client, 'my data+데이터');
    for (const hmac of [
      {},
      { version: 'v2.20170315' },
      { version: 'v4.20190615' },
      { version: 'v6.20220315' },
    ]) {
      const auth = { hmac };
      expectStatus(await people.ada.client.call('GET', folder.path(), { auth }), 200);
      expectStatus(
        await people.ada.client.call('GET', folder.path('files'), { auth, json: { path: '.' } }),
        200,
      );
      expectStatus(
        await people.ada.client.call('GET', folder.path('files'), {
          auth,
          query: { path: './.' },
        }),
        200,
      );
      expectStatus(
        await people.ada.client.call('POST', folder.path('mkdir'), { auth, json: { path: 'd' } }),
        201,
      );
    }
  });

  it('is accepted under either date header, in every published date form', async () => {
    const now = new Date();
    const iso = now.toISOString();
    const seoul = new Date(now.getTime() + 9 * 3_600_000).toISOString().slice(0, 19);
    const forms = [
      { date: iso },
      { date: iso.replace('Z', '000+00:00') },
      { date: `${iso.slice(0, 19).replaceAll(/[-:]/g, '')}Z`, day: iso.slice(0, 10).replaceAll('-', '') },
      { date: `${seoul}+09:00` },
      { date: now.toUTCString(), day: iso.slice(0, 10).replaceAll('-', '') },
    ];
    for (const form of forms) {
      for (const dateHeader of ['Date', 'X-BackendAI-Date']) {
        expectStatus(await ask(signedHeaders(stage, people.ada.keypair, { ...form, dateHeader })), 200);
      }
    }
  });

  it('covers method, target, host, content type, version and date', async () => {
    const { keypair } = people.ada;
    for (const wrong of [
      { method: 'POST' },
      { target: '/folders?x=1' },
      { target: '/folders/' },
      { host: 'elsewhere:8080' },
      { mediaType: 'application/json' },
      { day: '20200101' },
    ]) {
      expectProblem(await ask(signedHeaders(stage, keypair, wrong)), 401, 'auth_failed');
    }
    const headers = signedHeaders(stage, keypair);
    expectProblem(await ask({ ...headers, 'X-BackendAI-Version': 'v5.20190615' }), 401, 'auth_failed');
    const moved = new Date(Date.now() + 1_000).toISOString();
    expectProblem(await ask({ ...headers, Date: moved }), 401, 'auth_failed');
  });

  it('covers the body below v4.20181215', async () => {
    const { client, keypair } = people.ada;
    const signed = {
      mediaType: 'application/json',
      method: 'POST',
      version: 'v2.20170315',
      body: Buffer.from('{"name":"signed"}'),
    };
    const headers = { ...signedHeaders(stage, keypair, signed), 'Content-Type': 'application/json' };
    const other = await client.call('POST', '/folders', { auth: 'none', headers, body: '{"name":"forged"}' });
    expectProblem(other, 401, 'auth_failed');
    const same = await client.call('POST', '/folders', { auth: 'none', headers, body: '{"name":"signed"}' });
    expectStatus(same, 201);
  });

  it('is refused 15 minutes off the clock, before and after, and accepted within', async () => {
    const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
    for (const minutes of [-15.1, 15.1, -60 * 24 * 365, 60 * 24]) {
      expectProblem(
        await ask(signedHeaders(stage, people.ada.keypair, { date: at(minutes) })),
        400,
        'auth_invalid',
      );
    }
    for (const minutes of [-14, 14])
      expectStatus(await ask(signedHeaders(stage, people.ada.keypair, { date: at(minutes) })), 200);
  });

  it.each(['', 'yesterday', '2026-13-01T00:00:00Z', '0', 'Mon, 99 Nov 2026 00:00:00 GMT'])(
    'is refused with the date %j',
    async (date) => {
      const headers = { ...signedHeaders(stage, people.ada.keypair), Date: date };
      expectProblem(await ask(headers), 400, 'auth_invalid');
    },
  );

  it('is refused for an unknown key, another secret and a signature that is cut, alike', async () => {
    const { keypair } = people.ada;
    const good = signedHeaders(stage, keypair);
    const answers = [
      await ask(signedHeaders(stage, { ...keypair, accessKey: 'AKIAUNKNOWN' })),
      await ask(signedHeaders(stage, { ...keypair, secretKey: 'other' })),
      await ask({ ...good, Authorization: String(good.Authorization).slice(0, -1) }),
      await ask({ ...good, Authorization: signatureHeader(keypair.accessKey, '') }),
      await ask({ ...good, Authorization: signatureHeader(keypair.accessKey, '\u00e9'.repeat(64)) }),
    ];
    for (const answer of answers) {
      expectProblem(answer, 401, 'auth_failed');
      expect(answer.text.replace(/"request_id":"[^"]+"/, '')).toBe(
        answers[0]?.text.replace(/"request_id":"[^"]+"/, ''),
      );
    }
  });
}

function describeMalformed(people: People): void {
  const ask = (authorization: string) =>
    people.ada.client.call('GET', '/folders', { headers: { Authorization: authorization } });

  it.each([
    ['Bearer abc', 401, 'auth_failed'],
    ['Digest username="a"', 401, 'auth_required'],
    ['', 401, 'auth_required'],
    ['BackendAI', 401, 'auth_required'],
    ['BackendAI nonsense', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-MD5, credential=a:b', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-SHA256', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-SHA256, credential=', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-SHA256, credential=nocolon', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-SHA256, credential=:sig', 400, 'auth_invalid'],
    ['BackendAI signMethod=HMAC-SHA256, credential=a:b, credential=c:d', 400, 'auth_invalid'],
    ['BackendAI credential=a:b', 400, 'auth_invalid'],
    ['Basic', 401, 'auth_required'],
    ['Basic !!!', 400, 'auth_invalid'],
    ['Basic bm9jb2xvbg==', 400, 'auth_invalid'],
    [`Basic ${Buffer.from(':secret').toString('base64')}`, 400, 'auth_invalid'],
    [`Basic ${Buffer.from('key\u0000:secret').toString('base64')}`, 401, 'auth_failed'],
    [`Basic ${Buffer.from(`${'k'.repeat(5000)}:s`).toString('base64')}`, 401, 'auth_failed'],
    [`Basic ${Buffer.from("' OR 1=1 --:s").toString('base64')}`, 401, 'auth_failed'],
    [`Basic ${Buffer.from('é:ü').toString('base64')}`, 401, 'auth_failed'],
  ] as const)('refuses %j with %i', async (authorization, status, code) => {
    expectProblem(await ask(authorization), status, code);
  });

  it('refuses wrong Basic secrets and accepts right ones whatever the case of the scheme', async () => {
    const { keypair } = people.ada;
    for (const secretKey of ['', 'wrong', `${keypair.secretKey}x`, keypair.secretKey.slice(1)]) {
      expectProblem(await ask(basicHeader({ ...keypair, secretKey })), 401, 'auth_failed');
    }
    expectStatus(await ask(basicHeader(keypair).replace('Basic', 'bAsIc')), 200);
  });

  it('refuses headers given twice that must have one meaning', async () => {
    const { client, keypair } = people.ada;
    const basic = basicHeader(keypair);
    for (const [name, values] of [
      ['Authorization', [basic, basic]],
      ['X-BackendAI-Date', ['a', 'b']],
      ['X-BackendAI-Version', ['v4.20190615', 'v2.20170315']],
      ['Content-Type', ['application/json', 'text/plain']],
      ['X-Method-Override', ['GET', 'DELETE']],
      ['Date', ['a', 'b']],
    ] as const) {
      const answer = await client.call('GET', '/folders', { headers: { [name]: values } });
      expectProblem(answer, 400, 'request_malformed');
    }
  });
}

function describeOverride(people: People): void {
  it('means the overriding method on POST, and on nothing else', async () => {
    const { client } = people.ada;
    const folder = await createFolder(client);
    const as = (method: string, override: string, auth: CallOptions['auth'] = 'basic') =>
      client.call(method, folder.path(), { auth, headers: { 'X-Method-Override': override } });
    expectStatus(await as('POST', 'GET'), 200);
    expectStatus(await as('POST', ' get '), 200);
    expectStatus(await as('GET', 'DELETE'), 200);
    expectProblem(await as('POST', 'BREW'), 405, 'method_not_allowed');
    expectProblem(await as('POST', ''), 405, 'method_not_allowed');
    expectProblem(await as('POST', 'CONNECT'), 405, 'method_not_allowed');
    expectStatus(await as('POST', 'DELETE'), 204);
    expectProblem(await as('POST', 'GET'), 404, 'not_found');
  });
}

function describeTokens(stage: Stage, people: People): void {
  it('act for their user within their scopes, until they are revoked', async () => {
    const { client } = people.ada;
    const made = await client.call('POST', '/tokens', { json: { scopes: ['read'] } });
    expectStatus(made, 201);
    const headers = { Authorization: `Bearer ${textAt(made.json, 'token')}` };
    const bearer = stage.service.client();
    expectStatus(await bearer.call('GET', '/folders', { headers }), 200);
    const change = await bearer.call('POST', '/folders', { headers, json: { name: 'by-token' } });
    expectProblem(change, 403, 'scope_missing');
    expectProblem(await bearer.call('GET', '/tokens', { headers }), 403, 'scope_missing');
    const id = textAt(made.json, 'id');
    expect(textAt(listAt((await client.call('GET', '/tokens')).json, 'items')[0], 'id')).toBe(id);
    expectStatus(await client.call('DELETE', `/tokens/${id}`), 204);
    expectProblem(await bearer.call('GET', '/folders', { headers }), 401, 'auth_failed');
  });
}

/** Who is who: signatures, Basic, tokens, and everything malformed. */
export function describeAuth(stage: Stage): void {
  const people = usePeople(stage);
  describe('a signature', () => describeSignatures(stage, people));
  describe('credentials', () => describeMalformed(people));
  describe('tokens', () => describeTokens(stage, people));
  describe('X-Method-Override', () => describeOverride(people));
}
