import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemKinds } from '../../../api/problem.ts';
import { problemTexts } from '../../../api/problems/texts.ts';
import { errorCodes } from '../../../domain/errors.ts';
import { type CoreServer, startOwnServer } from '../core-server.ts';

let server: CoreServer;

beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => server?.close());

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('the type of a problem', () => {
  it.each(errorCodes)('tells programs and people what %s means', async (code) => {
    const path = `/problems/${code}`;
    const { status, title } = problemKinds[code];
    const text = problemTexts[code];
    const answer = await server.send({ path });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ type: path, code, title, status, ...text });
    expect(text.meaning).toMatch(/^[`A-Z].*\.$/);
    expect(text.mend).toMatch(/^[`A-Z].*\.$/);

    const page = await server.send({ path, headers: html });
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).toContain(`<code>${code}</code>, status ${status}`);
    expect(page.text).not.toMatch(/<script|https?:|`/);
    for (const { headers } of [answer, page]) {
      expect(headers).toMatchObject({ 'cache-control': 'public, max-age=3600', vary: 'Accept' });
    }
  });

  it('answers HEAD as GET, without the content', async () => {
    for (const headers of [{}, html]) {
      const got = await server.send({ path: '/problems/internal', headers });
      const head = await server.send({ method: 'HEAD', path: '/problems/internal', headers });
      expect([head.status, head.text]).toEqual([200, '']);
      for (const name of ['content-type', 'content-length', 'cache-control', 'vary']) {
        expect([name, head.headers[name]]).toEqual([name, got.headers[name]]);
      }
    }
  });

  it.each(['nothing', 'INTERNAL', 'toString', '__proto__', 'internal%2F', '..%2Finternal'])(
    'is no code of ours: %s',
    async (code) => {
      const answer = await server.send({ path: `/problems/${code}`, headers: html });
      expect([answer.status, answer.json.code]).toEqual([404, 'not_found']);
      expect(answer.headers['cache-control']).toBe('no-store');
    },
  );

  it('is found from the problem itself, wherever that was met', async () => {
    for (const path of ['/folders', '/v2/folders/x/files/a/b', '/no/such/route?x=1']) {
      const refused = await server.send({ path });
      const type = new URL(String(refused.json.type), `http://${server.host}${path}`);
      expect((await server.send({ path: type.pathname })).json.code).toBe(refused.json.code);
    }
  });
});
