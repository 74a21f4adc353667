import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { createClient } from '../support/http-client.ts';
import { openSocket } from '../support/raw-socket.ts';
import { type Ground, layGround, prepareGround, startApi, startWorker } from '../support/service.ts';
import { createFolder, upload } from '../support/users.ts';

const canary = (word: string) => `canary-${word}-${randomBytes(6).toString('hex')}`;
const linesOf = (process: TestProcess) => process.output().split('\n').slice(0, -1);

function fieldsOf(line: string): Readonly<Record<string, unknown>> {
  const fields: unknown = JSON.parse(line);
  return Object(fields);
}

describe('the logs of real processes at their most talkative', () => {
  let ground: Ground;
  let api: Awaited<ReturnType<typeof startApi>>;
  let worker: TestProcess;
  const secrets: string[] = [];
  const secret = (word: string) => {
    const made = canary(word);
    secrets.push(made);
    return made;
  };

  beforeAll(async () => {
    const encryptionKey = randomBytes(32).toString('hex');
    ground = await layGround({
      backend: 'postgres',
      env: { LOG_LEVEL: 'trace', VFOLDER_ENCRYPTION_KEY: encryptionKey },
    });
    secrets.push(encryptionKey, ground.admin.secretKey);
    await prepareGround(ground);
    [api, worker] = await Promise.all([startApi(ground), startWorker(ground)]);
    await askEverything();
  });
  afterAll(async () => {
    await Promise.all([api?.process.stop(), worker?.stop()]);
    await ground?.remove();
  });

  async function askEverything(): Promise<void> {
    const client = createClient(api.url, ground.admin);
    const folder = await createFolder(client, `f-${canary('folder').slice(-8)}`);
    const name = secret('file');
    await upload(client, folder, { [`${name}/x`]: secret('content') });
    await client.call('GET', folder.path('files', name, 'x'), { query: { token: secret('query') } });
    await client.call('GET', folder.path('files', secret('missing')));
    await client.call('DELETE', folder.path('delete_files'), { json: { files: [name], recursive: true } });
    await client.call('POST', '/folders/create', {
      json: { name: '\u001b[31m\u2028\r\nx', secret: secret('body') },
    });
    const wrong = { authorization: `Basic ${Buffer.from(`E2EADMIN:${secret('wrong')}`).toString('base64')}` };
    await client.call('GET', '/folders', { auth: 'none', headers: wrong });
    await client.call('GET', '/folders', {
      auth: 'none',
      headers: { cookie: `vfolder=${secret('cookie')}` },
    });
    await client.call('GET', `/${secret('path')}`);
    const override = {
      'x-method-override': '\u0085\u009b31mGET',
      'x-request-id': 'a\u0085b"}{"level":"fatal"',
    };
    await client.call('POST', '/folders', { headers: override });
    client.close();
    const socket = await openSocket(api.url);
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(`GET /${secret('raw')} HTTP/1.1\r\nhost: x\r\nbad header\u001b[2J\r\n\r\n`);
    await eventually(() => {
      const ends = linesOf(api.process).filter((line) => line.includes('"request.end"'));
      expect(ends.length).toBeGreaterThanOrEqual(9);
      expect(worker.output()).toContain('"job.succeeded"');
    });
  }

  it('are one JSON object per line, without a control character that a terminal or a viewer would act on', () => {
    for (const line of [...linesOf(api.process), ...linesOf(worker)]) {
      expect(fieldsOf(line)).toMatchObject({
        time: expect.any(String),
        level: expect.any(String),
        msg: expect.any(String),
      });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }
  });

  it('have no secret, no query, no content, and no name of an entry', () => {
    const text = api.process.output() + worker.output();
    expect(secrets.length).toBeGreaterThan(8);
    expect(secrets.filter((word) => text.includes(word))).toEqual([]);
  });

  it('say of each request its id, route, status and size, and of each job its id, kind and time', () => {
    const requests = linesOf(api.process)
      .map(fieldsOf)
      .filter(({ msg }) => msg === 'request.end');
    for (const fields of requests)
      expect(fields).toMatchObject({
        request_id: expect.any(String),
        method: expect.stringMatching(/^[A-Z]+$|^other$/),
        status: expect.any(Number),
        ms: expect.any(Number),
        bytes_in: expect.any(Number),
        bytes_out: expect.any(Number),
      });
    const jobs = linesOf(worker)
      .map(fieldsOf)
      .filter(({ msg }) => msg === 'job.succeeded');
    for (const fields of jobs)
      expect(fields).toMatchObject({
        jobId: expect.any(String),
        kind: expect.any(String),
        ms: expect.any(Number),
      });
  });
});
