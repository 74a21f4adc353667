import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { findFreePort } from '../../support/free-port.ts';
import { startProcess } from '../../support/process.ts';
import { startCollector } from '../support/collector.ts';
import { createClient } from '../support/http-client.ts';
import { type Ground, layGround, prepareGround, startApi, startWorker } from '../support/service.ts';
import { createFolder, upload } from '../support/users.ts';

const withoutPackages = {
  NODE_OPTIONS: `--import=${new URL('./fixtures/without-packages.mjs', import.meta.url).href}`,
};
/** Between two warnings of one kind (jobs/throttled-warning.ts). */
const quietMs = 10_000;

let ground: Ground;
beforeAll(async () => {
  ground = await layGround({
    backend: 'postgres',
    env: { LOG_LEVEL: 'info', OTEL_BSP_SCHEDULE_DELAY: '20' },
  });
  await prepareGround(ground);
});
afterAll(() => ground?.remove());

/** Starts API and worker with `env`, uploads ten files one by one, and stops both. */
async function work(
  env: Readonly<Record<string, string>>,
  whileUp: () => Promise<unknown> = async () => undefined,
) {
  const [{ url, process: api }, worker] = await Promise.all([
    startApi(ground, env),
    startWorker(ground, env),
  ]);
  const client = createClient(url, ground.admin);
  const folder = await createFolder(client);
  for (let index = 0; index < 10; index += 1) await upload(client, folder, { [`f${index}`]: 'x' });
  await whileUp();
  client.close();
  const codes = await Promise.all([api.stop(30_000), worker.stop(30_000)]);
  return { codes, outputs: [api.output(), worker.output()] };
}

describe('traces', () => {
  it('are off unless asked for, and then no package of them is loaded or needed', async () => {
    const { codes, outputs } = await work(withoutPackages);
    expect(codes).toEqual([0, 0]);
    expect(outputs.join()).not.toContain('trace.');
  });

  it.each([
    ['OTEL_SDK_DISABLED', 'true'],
    ['OTEL_TRACES_EXPORTER', 'none'],
  ])('are off where %s=%s calls off what an endpoint asks for', async (name, value) => {
    const env = { ...withoutPackages, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', [name]: value };
    const { process: api } = await startApi(ground, env);
    expect(await api.stop()).toBe(0);
  });

  it.each(['api', 'worker'])(
    'end the start of an %s with 2 and one sentence where packages are missing',
    async (role) => {
      const env = { ...ground.env, ...withoutPackages, OTEL_TRACES_EXPORTER: 'otlp' };
      const start = startProcess({ program: `${role}/main.js`, env, ready: 'message' });
      await expect(start).rejects.toThrow(
        /ended with 2 [\s\S]*vfolder: OTEL_TRACES_EXPORTER asks for traces and the OpenTelemetry packages are missing: install them with "npm ci --include=optional", or set OTEL_SDK_DISABLED=true\.\n$/,
      );
    },
  );

  it.each([
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'must be one of http/protobuf, http/json, not "grpc".'],
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'must be one of otlp, none, not "zipkin".'],
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'localhost:4317',
      'must be an http or https url, such as http://127.0.0.1:4318',
    ],
  ])('end the start with 2 and one sentence when %s is %s', async (name, value, sentence) => {
    const env = { ...ground.env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', [name]: value };
    const start = startProcess({ program: 'api/main.js', env, ready: 'message' });
    await expect(start).rejects.toThrow(`vfolder: ${name} ${sentence}`);
  });

  it('are sent as protobuf unless asked otherwise', async () => {
    const bodies: { readonly type: string | undefined; readonly bytes: Buffer }[] = [];
    const server = createServer(async (request, response) => {
      bodies.push({ type: request.headers['content-type'], bytes: await buffer(request) });
      response.writeHead(200).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port }: AddressInfo = Object(server.address());
    const { codes } = await work({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
    server.close();
    expect(codes).toEqual([0, 0]);
    expect(new Set(bodies.map(({ type }) => type))).toEqual(new Set(['application/x-protobuf']));
    const all = Buffer.concat(bodies.map(({ bytes }) => bytes));
    expect(
      ['vfolder-api', 'process upload.commit', '/folders/:name/upload'].filter((word) => !all.includes(word)),
    ).toEqual([]);
  });
});

describe('a collector', () => {
  it('that cannot be reached fails nothing, is warned of once in a while, and holds up no end', async () => {
    const port = await findFreePort();
    const begunAt = performance.now();
    const { codes, outputs } = await work({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
    const spans = Math.ceil((performance.now() - begunAt) / quietMs);
    expect(codes).toEqual([0, 0]);
    for (const output of outputs) {
      const warnings = output.match(/"trace\.export-failed"/g) ?? [];
      expect(warnings.length).toBeGreaterThan(0);
      expect(warnings.length).toBeLessThanOrEqual(spans);
      expect(output).not.toContain('shutdown.late');
    }
  }, 60_000);

  it('that takes spans and never answers fails nothing and holds up no end', async () => {
    const collector = await startCollector({ isHung: true });
    const { codes, outputs } = await work(collector.env, () =>
      eventually(() => expect(collector.requests()).toBeGreaterThan(0)),
    );
    await collector.close();
    expect(codes).toEqual([0, 0]);
    expect(outputs.join()).not.toContain('shutdown.late');
  }, 60_000);

  it('gets what was recorded last when a process stops', async () => {
    const collector = await startCollector();
    const { codes } = await work({ ...collector.env, OTEL_BSP_SCHEDULE_DELAY: '600000' });
    await collector.close();
    expect(codes).toEqual([0, 0]);
    const commits = collector.spans().filter(({ name }) => name === 'process upload.commit');
    const requests = collector.spans().filter(({ name }) => name === 'POST /folders/:name/upload');
    expect([commits.length, requests.length]).toEqual([10, 10]);
  }, 60_000);
});
