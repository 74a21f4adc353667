import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { readText } from '../../tidy/repository.ts';
import { createClient } from '../support/http-client.ts';
import { openSocket } from '../support/raw-socket.ts';
import {
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startService,
  startWorker,
} from '../support/service.ts';
import { createFolder, upload } from '../support/users.ts';

const canary = (word: string) => `canary-${word}-${randomBytes(6).toString('hex')}`;
const linesOf = (process: TestProcess) => process.output().split('\n').slice(0, -1);

function fieldsOf(line: string): Readonly<Record<string, unknown>> {
  const fields: unknown = JSON.parse(line);
  return Object(fields);
}

/** Names of fields, those inside of fields included. */
function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...namesIn(inner)]);
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
    const password = secret('password');
    const json = { folder: folder.id, path: '', expires_in: 600, password };
    const { token, url } = Object((await client.call('POST', '/links', { json })).json);
    secrets.push(token, token.slice(8, 30));
    const guess = { authorization: `Basic ${Buffer.from(`:${secret('guess')}`).toString('base64')}` };
    const known = { authorization: `Basic ${Buffer.from(`:${password}`).toString('base64')}` };
    for (const headers of [guess, known])
      await client.call('GET', `${new URL(url).pathname}/${secret('below')}`, { auth: 'none', headers });
    await client.call('PUT', `/l/${token}/x`, { auth: 'none', body: secret('put') });
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
        job_id: expect.any(String),
        kind: expect.any(String),
        ms: expect.any(Number),
      });
  });
});

describe('the lines of supervisor, API and worker, from their start to their end', () => {
  const traceId = randomBytes(16).toString('hex');
  let lines: Readonly<Record<string, unknown>>[];
  beforeAll(async () => {
    const service = await startService({ backend: 'postgres', workers: 1, env: { LOG_LEVEL: 'trace' } });
    const folder = await createFolder(service.administrator, 'lines');
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const first = [{ fileName: 'a/b', bytes: 'x' }];
    await service.administrator.call('POST', folder.path('upload'), { parts: first, headers });
    // A file cannot take the place of a directory.
    const parts = [{ fileName: 'a', bytes: 'y' }];
    await service.administrator.call('POST', folder.path('upload'), { parts });
    for (const pid of service.pids().workers) process.kill(pid, 'SIGKILL');
    await eventually(() => expect(service.supervisor.output().match(/"worker\.ready"/g)).toHaveLength(2));
    await service.stop();
    const json = linesOf(service.supervisor).filter((line) => line.startsWith('{'));
    lines = json.map(fieldsOf);
  }, 120_000);

  it('come from all three, and tell of requests, jobs, failures and the end', () => {
    expect(new Set(lines.map(({ role }) => role))).toEqual(new Set(['supervisor', 'api', 'worker']));
    const told = [
      'api.ready',
      'worker.ready',
      'request.end',
      'job.succeeded',
      'job.run-failed',
      'job.failed',
    ];
    expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining([...told, 'shutdown.finished']));
  });

  it('have the trace of the caller in both processes, though nothing is recorded', () => {
    const traced = lines.filter((line) => line.trace_id === traceId);
    expect(traced.map(({ role, msg }) => `${role} ${msg}`).toSorted()).toEqual([
      'api request.end',
      'worker job.succeeded',
    ]);
    expect(traced.filter((line) => 'span_id' in line)).toEqual([]);
  });

  it('name every field in snake_case, as the manual has it', () => {
    const names = new Set(lines.flatMap(namesIn));
    const [, manual = ''] = readText('docs/OPERATIONS.md').split('\n## Logs\n');
    expect(names.size).toBeGreaterThan(20);
    expect([...names].filter((name) => !/^[a-z]+(?:_[a-z]+)*$/.test(name))).toEqual([]);
    expect([...names].filter((name) => !manual.includes(`\`${name}\``))).toEqual([]);
  });

  it('name a thing alike wherever it comes up, whatever became of the job', () => {
    const ids = ['job_id', 'kind', 'queue', 'volume', 'folder_id', 'actor_id', 'attempt', 'worker_id', 'ms'];
    const jobs = lines.filter(({ msg }) => /^job\.(?:succeeded|failed|run-failed)$/.test(String(msg)));
    expect(jobs.filter((line) => ids.some((name) => !(name in line)))).toEqual([]);
    const [failed] = jobs.filter(({ msg }) => msg === 'job.failed');
    expect(failed).toMatchObject({ kind: 'upload.commit', queue: 'upload.local', attempt: 1 });
    const actors = lines
      .filter(({ msg, route }) => msg === 'request.end' && String(route).includes('/upload'))
      .map((line) => line.actor_id);
    expect(actors).toEqual([failed?.actor_id, failed?.actor_id]);
  });
});
