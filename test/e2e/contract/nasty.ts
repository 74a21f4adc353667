import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { pathOf } from '../support/http-client.ts';
import { exchangeRaw, openSocket } from '../support/raw-socket.ts';
import { basicHeader } from '../support/signature.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, type TestFolder, upload } from '../support/users.ts';
import { jsonRoutes, nastyBodies, nastyRequests, rawRequests } from './nasty-requests.ts';
import { expectStatus } from './rules.ts';
import { type People, type Stage, usePeople } from './stage.ts';

function describeTables(stage: Stage, people: People): void {
  let folder: TestFolder;
  beforeAll(async () => {
    folder = await createFolder(people.ada.client);
    await upload(people.ada.client, folder, { a: 'content' });
  });
  const placed = (path: string) => path.replace(/^\/folders\/F(?=\/|$)/, pathOf('folders', folder.name));

  it.each(nastyRequests)('answers $what', async ({ method, path, headers = {}, body, statuses }) => {
    const options = { headers, ...(body === undefined ? {} : { body }) };
    const answer = await people.ada.client.call(method, placed(path), options);
    expect(statuses, answer.text.slice(0, 300)).toContain(answer.status);
  });

  describe.each([...jsonRoutes, ['POST', '/links'] as const])('%s %s', (method, path) => {
    it.each(nastyBodies)('refuses %s as its body', async (_what, body, statuses) => {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await people.ada.client.call(method, placed(path), { headers, body });
      expect(statuses, answer.text.slice(0, 300)).toContain(answer.status);
    });
  });

  it.each(rawRequests)('answers %s on a bare socket', async (_what, bytes, statuses) => {
    const answer = await exchangeRaw(stage.service.url, bytes);
    expect(statuses, answer.text.slice(0, 500)).toContain(answer.status);
    if (answer.status >= 400) expect(answer.text).toContain('application/problem+json');
  });
}

function describeConnections(stage: Stage, people: People): void {
  it('forgets an upload that is cut off at any point, and takes the next', async () => {
    const folder = await createFolder(people.ada.client);
    const head = (length: number) =>
      [
        `POST ${folder.path('upload')} HTTP/1.1`,
        `Host: ${new URL(stage.service.url).host}`,
        `Authorization: ${basicHeader(people.ada.keypair)}`,
        'Content-Type: multipart/form-data; boundary=b',
        `Content-Length: ${length}`,
        '\r\n',
      ].join('\r\n');
    const part = '--b\r\nContent-Disposition: form-data; name="src"; filename="cut"\r\n\r\n';
    const sent = [
      '',
      '--b',
      part.slice(0, 40),
      part,
      `${part}half`,
      `${part}${'x'.repeat(400_000)}`,
      `${part}whole\r\n--b--`,
    ];
    for (const bytes of sent) {
      const socket = await openSocket(stage.service.url);
      socket.on('error', () => undefined);
      await new Promise<void>((resolve) => socket.write(`${head(1_000_000)}${bytes}`, () => resolve()));
      socket.destroy();
    }
    await eventually(async () => {
      const none = { bytes: 0, files: 0 };
      expect(await treeUsage(stage.service.volumeRoot, folder.id)).toEqual({
        data: none,
        stage: none,
        trash: none,
      });
      expect(await readUsage(people.ada.client, folder.name)).toMatchObject({ live: none, reserved: none });
    });
    await upload(people.ada.client, folder, { cut: 'whole' });
  });

  it('survives downloads that nobody reads to the end', async () => {
    const folder = await createFolder(people.ada.client);
    await upload(people.ada.client, folder, { big: Buffer.alloc(8_000_000, 'x') });
    for (const path of [
      folder.path('files', 'big'),
      `${folder.path('download')}?files=big`,
      `${folder.path('download')}?files=.&format=zip`,
    ]) {
      const incoming = await people.ada.client.open('GET', path);
      expect(incoming.statusCode).toBe(200);
      incoming.destroy();
    }
    expectStatus(await people.ada.client.call('HEAD', folder.path('files', 'big')), 200);
  });

  it('answers several requests of one connection in order', async () => {
    const one = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
    const { text } = await exchangeRaw(stage.service.url, one.repeat(5));
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(5);
  });

  it('asks for a body that waits to be asked for, and not when it refuses before', async () => {
    const { host } = new URL(stage.service.url);
    const authorization = `Authorization: ${basicHeader(people.ada.keypair)}`;
    const head = (name: string) =>
      `POST /folders HTTP/1.1\r\nHost: ${host}\r\n${name}\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n`;
    const asked = await exchangeRaw(stage.service.url, head(authorization), { timeoutMs: 1_500 });
    expect(asked.text).toContain('HTTP/1.1 100 Continue');
    const refused = await exchangeRaw(stage.service.url, head('X-Nobody: 1'));
    expect(refused.status).toBe(401);
    expect(refused.text).not.toContain('100 Continue');
  });
}

/** Requests that nobody should send: each gets its refusal, none a fault, and the service goes on. */
export function describeNasty(stage: Stage): void {
  const people = usePeople(stage);
  describe('requests', () => describeTables(stage, people));
  describe('connections', () => describeConnections(stage, people));

  it('leaves the service as it was: same processes, ready, and nothing in the log that is its fault', async () => {
    const { api, workers } = stage.service.pids();
    expect([api.length, workers.length]).toEqual([1, 2]);
    expectStatus(await stage.service.client().call('GET', '/readyz'), 200);
    const output = stage.service.supervisor.output();
    expect(output).not.toMatch(/is started again|"level":(50|60)\b|"level":"(error|fatal)"|Warning:/);
  });
}
