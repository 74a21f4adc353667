import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Route } from '../../api/route.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import {
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  startCoreServer,
  type TestKeypair,
} from './core-server.ts';
import { defineTestRoute } from './test-route.ts';

const secrets = makeSecretBox();
const anything = z.record(z.string(), z.unknown());

/** Answers what it was given. */
function echo(method: Route['method'], path: string, access: Route['access'] = 'public'): Route {
  return defineTestRoute({
    method,
    path,
    access,
    right: null,
    body: 'json',
    input: anything,
    handle: async ({ params, input, principal }) => ({
      status: 200,
      body: { at: `${method} ${path}`, params, input, userId: principal.userId },
    }),
  });
}

function failing(path: string, error: () => Error): Route {
  return { ...echo('GET', path), handle: () => Promise.reject(error()) };
}

const releases = new Map<string, () => void>();
const aborted: string[] = [];
const slow: Route = {
  ...echo('GET', '/slow/:id'),
  handle: ({ params, signal }) =>
    new Promise((resolve) => {
      const id = params.id ?? '';
      signal.addEventListener('abort', () => aborted.push(id));
      releases.set(id, () => resolve({ status: 200, body: { id } }));
    }),
};

const routes: readonly Route[] = [
  echo('GET', '/folders/:name'),
  echo('DELETE', '/folders/:name'),
  echo('HEAD', '/folders/:name/files'),
  echo('GET', '/folders/:name/files'),
  echo('POST', '/folders/create'),
  echo('POST', '/folders'),
  echo('GET', '/', 'public'),
  echo('POST', '/private', 'user'),
  { ...echo('GET', '/streamed'), isStream: true },
  { ...echo('GET', '/carried'), isTransfer: true },
  { ...echo('GET', '/empty'), handle: async () => ({ status: 204 }) },
  failing('/fault', () => new Error('/srv/secret is gone')),
  failing('/outage', () => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })),
  slow,
];

let database: TestDatabase;
let server: CoreServer;
let keypair: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets, routes });
  keypair = await makeKeypair(database, secrets);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

function get(path: string, headers: Record<string, string> = {}) {
  return server.send({ path, headers });
}

describe('routing', () => {
  it.each([
    ['/folders/My%20Data', 'My Data'],
    ['/folders/a+b', 'a+b'],
    ['/folders/%EB%8D%B0%EC%9D%B4%ED%84%B0%2B1', '데이터+1'],
    ['/folders/a%2Fb', 'a/b'],
    ['/folders/%2525', '%25'],
    ['/folders/...', '...'],
    ['/folders/__proto__', '__proto__'],
    ['/folders/a?name=b', 'a'],
  ])('decodes the name in %s once', async (path, name) => {
    const { status, json } = await get(path);
    expect(status).toBe(200);
    expect(json.params).toEqual({ name });
  });

  it.each(['/nowhere', '/folders/', '/folders/x/', '/folders/x/y', '/FOLDERS/x', '/folders/x/files/y'])(
    'answers 404 as a problem for %s, which no route has',
    async (path) => {
      const { status, headers, json } = await get(path);
      expect(status).toBe(404);
      expect(headers['content-type']).toBe('application/problem+json');
      expect(json).toMatchObject({ code: 'not_found', instance: path });
    },
  );

  it.each([
    ['PUT', '/folders/x', 'DELETE, GET, HEAD'],
    ['HEAD', '/folders', 'POST'],
    ['HEAD', '/streamed', 'GET'],
    ['HEAD', '/carried', 'GET'],
    ['OPTIONS', '/folders', 'POST'],
    ['PROPFIND', '/folders/x/files', 'GET, HEAD'],
    ['TRACE', '/', 'GET, HEAD'],
    ['GET', '/folders', 'POST'],
    ['GET', '/folders/create', 'POST'],
  ])('answers 405 with Allow for %s %s', async (method, path, allow) => {
    const { status, headers } = await server.send({ method, path });
    expect(status).toBe(405);
    expect(headers.allow).toBe(allow);
  });

  it('never takes a literal segment for a parameter when it has the method', async () => {
    const { json } = await server.send({ method: 'POST', path: '/folders/create' });
    expect(json.at).toBe('POST /folders/create');
  });

  it.each(['/folders/x/files', '/folders/x', '/'])('answers HEAD of %s without the body', async (path) => {
    const { status, headers, text } = await server.send({ method: 'HEAD', path });
    expect([status, text]).toEqual([200, '']);
    const isDeclared = path === '/folders/x/files';
    expect(Number(headers['content-length'])).toBe((await get(path)).text.length + (isDeclared ? 1 : 0));
  });

  it('answers HEAD with the refusals of GET', async () => {
    const { status, headers, text } = await server.send({ method: 'HEAD', path: '/fault' });
    expect([status, headers['content-type'], text]).toEqual([500, 'application/problem+json', '']);
  });

  it('honours X-Method-Override on POST and on nothing else', async () => {
    const headers = { 'x-method-override': 'delete' };
    const overridden = await server.send({ method: 'POST', path: '/folders/x', headers });
    expect(overridden.json.at).toBe('DELETE /folders/:name');
    const ignored = await get('/folders/x', headers);
    expect(ignored.json.at).toBe('GET /folders/:name');
    const unknown = await server.send({
      method: 'POST',
      path: '/folders/x',
      headers: { 'x-method-override': 'PURGE' },
    });
    expect(unknown.status).toBe(405);
  });

  it('refuses to be built from two routes for one method and path', async () => {
    const twice = [echo('GET', '/x'), echo('GET', '/x')];
    await expect(startCoreServer(database, { secrets, routes: twice })).rejects.toThrow(/declared twice/);
  });
});

describe('bodies', () => {
  it.each(['GET', 'DELETE'])('reads a JSON body on %s', async (method) => {
    const call = { method, path: '/folders/x', headers: { 'content-type': 'application/json' } };
    const { status, json } = await server.send({ ...call, body: '{"path": ".", "files": ["ü"]}' });
    expect(status).toBe(200);
    expect(json.input).toEqual({ path: '.', files: ['ü'] });
  });

  it('merges body and query, the query winning', async () => {
    const call = {
      path: '/folders/x?path=query&files=a&files=b',
      headers: { 'content-type': 'application/json' },
    };
    const { json } = await server.send({ ...call, body: '{"path": "body", "limit": 2}' });
    expect(json.input).toEqual({ path: 'query', files: ['a', 'b'], limit: 2 });
  });

  it('reads a chunked body that comes in pieces', async () => {
    const head =
      'GET /folders/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
    const answer = await server.sendRaw(`${head}3\r\n{"a\r\n1\r\n"\r\n4\r\n: 1}\r\n0\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"input":{"a":1}');
  });

  it.each(['text/plain', 'application/octet-stream', 'multipart/form-data; boundary=x', ''])(
    'takes no body with the type %j for an empty object',
    async (type) => {
      const { status, json } = await get('/folders/x', type === '' ? {} : { 'content-type': type });
      expect(status).toBe(200);
      expect(json.input).toEqual({});
    },
  );

  it.each([
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    { 'content-encoding': 'deflate, gzip' },
  ])('answers 415 to a body with %j', async (headers) => {
    const { status, json } = await server.send({ path: '/folders/x', headers, body: '{}' });
    expect(status).toBe(415);
    expect(json.code).toBe('media_type_unsupported');
  });

  it.each([
    '{',
    '[]',
    'null',
    '"text"',
    '5',
    '{"a":1}{"b":2}',
    ' ',
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from([0x7b, 0x22, 0xc0, 0xae, 0x22, 0x3a, 0x31, 0x7d]),
    `{"a":${'['.repeat(40)}${']'.repeat(40)}}`,
    `{"a":${'['.repeat(500_000)}`,
  ])('answers 400 to the body %.20s', async (body) => {
    const { status, json } = await server.send({ path: '/folders/x', body });
    expect(status).toBe(400);
    expect(json.code).toBe('request_malformed');
  });

  it('does not count brackets inside strings as nesting', async () => {
    const body = JSON.stringify({ text: `${'['.repeat(100)}\\"{` });
    expect((await server.send({ path: '/folders/x', body })).status).toBe(200);
  });

  it('gives __proto__ in a body no meaning, even twice', async () => {
    const body = '{"__proto__": {"polluted": 1}, "__proto__": {"polluted": 2}, "constructor": 3}';
    const { status } = await server.send({ path: '/folders/x', body });
    expect(status).toBe(200);
    expect({}).not.toHaveProperty('polluted');
  });

  it('accepts a body of 1 MiB and answers 413 to one byte more, announced or not', async () => {
    const largest = `{"a":"${'x'.repeat(1024 ** 2 - 8)}"}`;
    expect((await server.send({ path: '/folders/x', body: largest })).status).toBe(200);
    expect((await server.send({ path: '/folders/x', body: `${largest} ` })).status).toBe(413);
    const head =
      'GET /folders/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
    const chunk = `${(1024 ** 2 + 1).toString(16)}\r\n${largest} \r\n0\r\n\r\n`;
    expect(await server.sendRaw(head + chunk)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it.each([
    ['/private', 401],
    ['/nowhere', 404],
    ['/folders/create', 413],
  ])('shows its early answer on %s to a client that sends 32 MiB before it reads', async (path, status) => {
    const body = Buffer.alloc(32 * 1024 ** 2, 0x20);
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const answer = await server.sendRaw(Buffer.concat([Buffer.from(head), body]));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toMatch(/"code":"\w+".*\}$/);
  });

  it('invites a body only from callers it accepts', async () => {
    const expecting = (authorization: string): string =>
      `POST /private HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n${authorization}Content-Length: 2\r\nConnection: close\r\n\r\n{}`;
    const invited = await server.sendRaw(expecting(`Authorization: ${basic(keypair).authorization}\r\n`));
    expect(invited).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    expect(await server.sendRaw(expecting(''))).toMatch(/^HTTP\/1\.1 401 /);
  });
});

describe('every answer', () => {
  it.each(['/folders/x', '/nowhere', '/fault', '/empty', '/folders/..'])(
    'of %s has a request id, rate limits and hardening headers',
    async (path) => {
      const raw = await server.sendRaw(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      for (const line of [
        /x-request-id: [\w-]{36}\r\n/i,
        /x-ratelimit-limit: 1000000\r\n/i,
        /x-ratelimit-remaining: \d+\r\n/i,
        /x-ratelimit-window: 900\r\n/i,
        /x-content-type-options: nosniff\r\n/i,
        /cache-control: no-store\r\n/i,
      ]) {
        expect(raw).toMatch(line);
      }
      expect(raw).not.toMatch(/x-powered-by|server:/i);
    },
  );

  it('keeps a sane request id of the caller and replaces any other', async () => {
    expect((await get('/', { 'x-request-id': 'trace-42.A_b' })).headers['x-request-id']).toBe('trace-42.A_b');
    for (const given of ['short', 'x'.repeat(65), 'spaces in it', '"><script>']) {
      expect((await get('/', { 'x-request-id': given })).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('is logged in one line without query, body or secrets', async () => {
    const headers = { ...basic(keypair), 'x-request-id': 'logged-request' };
    await server.send({
      method: 'POST',
      path: '/private?token=hidden-query',
      headers,
      body: '{"a":"hidden-body"}',
    });
    const lines = await eventually(() => {
      const found = server.lines.filter((line) => line.fields.request_id === 'logged-request');
      expect(found).toHaveLength(1);
      return found;
    });
    expect(lines[0]).toMatchObject({
      event: 'request.end',
      fields: { method: 'POST', route: 'POST /private', status: 200, actor_id: keypair.userId },
    });
    expect(JSON.stringify(server.lines)).not.toMatch(/hidden-/);
    expect(JSON.stringify(server.lines)).not.toContain(keypair.secretKey);
  });

  it.each([
    ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '0af7651916cd43dd8448eb211c80319c'],
    ['01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later', '0af7651916cd43dd8448eb211c80319c'],
    ['00-00000000000000000000000000000000-b7ad6b7169203331-01', undefined],
    ['00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', undefined],
    ['ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined],
    ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', undefined],
    ['x', undefined],
  ])('is logged under the trace of its caller, if %s names one', async (traceparent, traceId) => {
    const answer = await get('/', { traceparent });
    const requestId = answer.headers['x-request-id'];
    const line = await eventually(() => {
      const found = server.lines.find(({ fields }) => fields.request_id === requestId);
      if (found === undefined) throw new Error('The line is written after the answer.');
      return found;
    });
    expect(line.fields.trace_id).toBe(traceId);
  });

  it('of a fault of ours is a bare 500, and the log has the cause', async () => {
    const { status, json } = await get('/fault', { 'x-request-id': 'a-fault-of-ours' });
    expect(status).toBe(500);
    expect(json).toMatchObject({ code: 'internal', request_id: 'a-fault-of-ours' });
    expect(JSON.stringify(json)).not.toContain('secret');
    const logged = server.lines.find(
      (line) => line.event === 'request.failed' && line.fields.code === 'internal',
    );
    expect(logged?.fields.err).toMatchObject({ message: '/srv/secret is gone' });
  });

  it('of an outage is 503 with Retry-After', async () => {
    const { status, headers } = await get('/outage');
    expect(status).toBe(503);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('connections', () => {
  it('tells the handler when its client goes away', async () => {
    const leaving = new AbortController();
    const answer = fetch(`http://${server.host}/slow/leaver`, { signal: leaving.signal });
    await eventually(() => expect(releases.has('leaver')).toBe(true));
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await eventually(() => expect(aborted).toContain('leaver'));
  });

  it('does not abort a request that is answered', async () => {
    const answer = get('/slow/stayer');
    await eventually(() => expect(releases.has('stayer')).toBe(true));
    releases.get('stayer')?.();
    expect((await answer).status).toBe(200);
    expect(aborted).not.toContain('stayer');
  });

  it('on closing lets a running request end and takes no new one', async () => {
    const closing = await startCoreServer(database, { secrets, routes });
    const running = closing.send({ path: '/slow/last' });
    await eventually(() => expect(releases.has('last')).toBe(true));
    const closed = closing.close();
    await eventually(() => expect(closing.send({ path: '/' })).rejects.toThrow(/ECONNREFUSED/));
    releases.get('last')?.();
    expect((await running).status).toBe(200);
    await closed;
  });

  it('on closing cuts what does not end in time', async () => {
    const closing = await startCoreServer(database, { secrets, routes });
    const hanging = closing.send({ path: '/slow/hanging' });
    const outcome = hanging.then(
      () => 'answered',
      () => 'cut',
    );
    await eventually(() => expect(releases.has('hanging')).toBe(true));
    await closing.close();
    expect(await outcome).toBe('cut');
  });
});
