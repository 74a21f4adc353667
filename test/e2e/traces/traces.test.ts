import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestProcess } from '../../support/process.ts';
import { type CollectedSpan, type Collector, spanKinds, startCollector } from '../support/collector.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import {
  type Ground,
  layGround,
  prepareGround,
  type QueueBackend,
  startApi,
  startWorker,
} from '../support/service.ts';
import { createFolder, type TestFolder } from '../support/users.ts';

const hex = (bytes: number) => randomBytes(bytes).toString('hex');

function callerOf({ isSampled = true } = {}) {
  const [traceId, spanId] = [hex(16), hex(8)];
  const traceparent = `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
  return { traceId, spanId, headers: { traceparent } };
}

function linesOf(process: TestProcess, msg: string): Readonly<Record<string, unknown>>[] {
  const lines = process.output().split('\n').slice(0, -1);
  return lines.map((line) => Object(JSON.parse(line))).filter((line) => line.msg === msg);
}

interface Stage {
  readonly ground: Ground;
  readonly api: TestProcess;
  readonly worker: TestProcess;
  readonly client: Client;
  readonly folder: TestFolder;
  close(): Promise<readonly (number | string)[]>;
}

async function openStage(backend: QueueBackend, env: Readonly<Record<string, string>>): Promise<Stage> {
  const ground = await layGround({ backend, env: { LOG_LEVEL: 'info', ...env } });
  await prepareGround(ground);
  const [{ url, process: api }, worker] = await Promise.all([startApi(ground), startWorker(ground)]);
  const client = createClient(url, ground.admin);
  return {
    ground,
    api,
    worker,
    client,
    folder: await createFolder(client),
    close: async () => {
      client.close();
      const codes = await Promise.all([api.stop(30_000), worker.stop(30_000)]);
      await ground.remove();
      return codes;
    },
  };
}

describe.each(['postgres', 'redis'] as const)('a service that traces, with its queues in %s', (backend) => {
  let collector: Collector;
  let stage: Stage;
  beforeAll(async () => {
    collector = await startCollector();
    stage = await openStage(backend, collector.env);
  }, 60_000);
  afterAll(async () => {
    expect(await stage?.close()).toEqual([0, 0]);
    await collector?.close();
  });

  const spansOf = (traceId: string) => collector.spans().filter((span) => span.traceId === traceId);

  /** The span of the request and of the run of its job, once both have arrived. */
  const pairOf = (traceId: string) =>
    eventually(() => {
      const spans = spansOf(traceId);
      const server = spans.find(({ kind }) => kind === spanKinds.server);
      const consumer = spans.find(({ kind }) => kind === spanKinds.consumer);
      if (server === undefined || consumer === undefined)
        throw new Error(`Not there yet: ${collector.text()}`);
      return { server, consumer };
    });

  it('makes one trace of an upload, from the caller over the request to the run of its job', async () => {
    const caller = callerOf();
    const name = `canary-${hex(6)}`;
    const parts = [{ fileName: `${name}/x`, bytes: 'abc' }];
    const answer = await stage.client.call('POST', stage.folder.path('upload'), {
      parts,
      headers: caller.headers,
    });
    expect(answer.status).toBe(201);
    const { server, consumer } = await pairOf(caller.traceId);
    expect(server).toMatchObject({
      parentSpanId: caller.spanId,
      name: 'POST /folders/:name/upload',
      resource: { 'service.name': 'vfolder-api', 'service.version': expect.any(String) },
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/folders/:name/upload',
        'http.response.status_code': 201,
        'url.scheme': 'http',
        'vfolder.request_id': answer.headers['x-request-id'],
        'user.id': expect.any(String),
      },
    });
    expect(consumer).toMatchObject({
      parentSpanId: server.spanId,
      name: 'process upload.commit',
      resource: { 'service.name': 'vfolder-worker' },
      attributes: {
        'messaging.system': 'bullmq',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'upload.local',
        'vfolder.job.kind': 'upload.commit',
        'vfolder.job.attempt': 1,
        'vfolder.job.result': 'succeeded',
        'vfolder.volume': 'local',
      },
    });
    const stepsOf = (parent: CollectedSpan) =>
      spansOf(caller.traceId)
        .filter((span) => span.parentSpanId === parent.spanId && span.kind === spanKinds.internal)
        .map((span) => span.name);
    await eventually(() => expect(stepsOf(server)).toEqual(['job.wait']));
    expect(stepsOf(consumer)).toEqual([
      'stages.complete',
      'paths.claim',
      'entries.inspect',
      'entries.publish',
      'job.end',
    ]);
    expect(collector.text()).not.toContain(name);
    expect(collector.text()).not.toContain(stage.folder.name);
  });

  it('names trace and span in the log lines of both', async () => {
    const caller = callerOf();
    const parts = [{ fileName: 'x', bytes: 'abc' }];
    await stage.client.call('POST', stage.folder.path('upload'), { parts, headers: caller.headers });
    const { server, consumer } = await pairOf(caller.traceId);
    const ids = ({ traceId, spanId }: CollectedSpan) => ({ trace_id: traceId, span_id: spanId });
    await eventually(() => {
      expect(linesOf(stage.api, 'request.end').at(-1)).toMatchObject(ids(server));
      expect(linesOf(stage.worker, 'job.succeeded').at(-1)).toMatchObject(ids(consumer));
    });
  });

  it('begins a trace where the caller has none, and says why a request or a run failed', async () => {
    // A file cannot take the place of a directory.
    await stage.client.call('POST', stage.folder.path('mkdir'), { json: { path: 'taken' } });
    const parts = [{ fileName: 'taken', bytes: 'abc' }];
    const answer = await stage.client.call('POST', stage.folder.path('upload'), { parts });
    expect(answer.status).toBe(400);
    const failed = await eventually(() => {
      const found = collector.spans().find((span) => span.attributes['vfolder.job.result'] === 'failed');
      if (found === undefined) throw new Error('Not there yet.');
      return found;
    });
    expect(failed).toMatchObject({ attributes: { 'error.type': 'entry_conflict' }, status: { code: 2 } });
    const { server } = await pairOf(failed.traceId);
    expect(server.parentSpanId ?? '').toBe('');
    expect(server).toMatchObject({
      attributes: { 'http.response.status_code': 400, 'vfolder.problem.code': 'entry_conflict' },
    });
    // What the caller did wrong is no error of the server.
    expect(server.status?.code ?? 0).toBe(0);
  });

  it('records nothing of what the caller does not, and of probes; the log has the trace all the same', async () => {
    const caller = callerOf({ isSampled: false });
    const probe = callerOf();
    await stage.client.call('GET', '/readyz', { headers: probe.headers });
    const parts = [{ fileName: 'x', bytes: 'abc' }];
    await stage.client.call('POST', stage.folder.path('upload'), { parts, headers: caller.headers });
    const later = callerOf();
    await stage.client.call('POST', stage.folder.path('upload'), { parts, headers: later.headers });
    await pairOf(later.traceId);
    expect([...spansOf(caller.traceId), ...spansOf(probe.traceId)]).toEqual([]);
    const traces = linesOf(stage.worker, 'job.succeeded').map((line) => line.trace_id);
    expect(traces).toEqual(expect.arrayContaining([caller.traceId, later.traceId]));
  });

  it('keeps to the trace when a worker is killed and another one runs the job', async () => {
    await stage.worker.stop();
    const [sql, holder] = [openSql(stage.ground.databaseUrl), openSql(stage.ground.databaseUrl)];
    const caller = callerOf();
    const parts = [{ fileName: 'killed', bytes: 'abc' }];
    const headers = { ...caller.headers, prefer: 'respond-async' };
    const accepted = await stage.client.call('POST', stage.folder.path('upload'), { parts, headers });
    expect(accepted.status).toBe(202);
    const jobId = textAt(accepted.json, 'id');
    // The first run cannot get beyond its claim of paths.
    await holder.begin(async (tx) => {
      await tx`LOCK TABLE path_claims IN ACCESS EXCLUSIVE MODE`;
      const victim = await startWorker(stage.ground);
      await eventually(async () =>
        expect(await sql`SELECT state FROM jobs WHERE id = ${jobId}`).toEqual([{ state: 'running' }]),
      );
      await victim.kill();
    });
    const heir = await startWorker(stage.ground);
    try {
      const consumer = await eventually(
        () => {
          const runs = spansOf(caller.traceId).filter(({ kind }) => kind === spanKinds.consumer);
          expect(runs).toHaveLength(1);
          return runs[0];
        },
        { timeoutMs: 30_000 },
      );
      const { server } = await pairOf(caller.traceId);
      expect(consumer).toMatchObject({
        parentSpanId: server.spanId,
        attributes: { 'vfolder.job.attempt': 2, 'vfolder.job.result': 'succeeded' },
      });
    } finally {
      await Promise.all([sql.end({ timeout: 5 }), holder.end({ timeout: 5 }), heir.stop()]);
    }
  });
});
