import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { eventually } from '../../support/eventually.ts';
import { figureOf, metricNames, readExposition } from '../../support/exposition.ts';
import { rootDir, type TestProcess } from '../../support/process.ts';
import { labelsIn, metricsIn } from '../../support/promql.ts';
import { createClient } from '../support/http-client.ts';
import {
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startService,
  startWorker,
} from '../support/service.ts';
import { createFolder, upload } from '../support/users.ts';

const metricsEnv = { VFOLDER_METRICS_PORT: '0' };

async function pageOf(process: TestProcess): Promise<string> {
  const port: unknown = Reflect.get(process.readiness, 'metricsPort');
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return answer.text();
}

const scrape = async (process: TestProcess) => readExposition(await pageOf(process));

const rulesFile = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })),
});
const dashboardFile = z.object({
  panels: z.array(
    z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) }),
  ),
});

/** What is asked of Prometheus by the alerts and the dashboard that are shipped. */
function readShipped(): readonly { readonly title: string; readonly expr: string }[] {
  const read = (name: string) => readFileSync(join(rootDir, 'deploy/monitoring', name), 'utf8');
  const { groups } = rulesFile.parse(parse(read('alerts.yml')));
  const { panels } = dashboardFile.parse(JSON.parse(read('grafana/vfolder.json')));
  return [
    ...groups.flatMap(({ rules }) => rules.map(({ alert: title, expr }) => ({ title, expr }))),
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr }))),
  ];
}

describe('the figures of real processes', () => {
  let ground: Ground;
  let api: Awaited<ReturnType<typeof startApi>>;
  let worker: TestProcess;
  beforeAll(async () => {
    ground = await layGround({ backend: 'postgres', env: metricsEnv });
    await prepareGround(ground);
    [api, worker] = await Promise.all([startApi(ground), startWorker(ground)]);
  });
  afterAll(async () => {
    await Promise.all([api?.process.stop(), worker?.stop()]);
    await ground?.remove();
  });

  it('tell of an upload, its job and a download, and name neither user, folder nor file', async () => {
    const client = createClient(api.url, ground.admin);
    const folder = await createFolder(client, 'secret-folder');
    await upload(client, folder, { 'secret-file.txt': 'x'.repeat(100_000) });
    await client.call('PUT', folder.path('files', 'second'), { body: 'y'.repeat(5_000) });
    await client.call('GET', folder.path('files', 'secret-file.txt'));
    await client.call('GET', '/secret-nowhere?token=secret-query');
    const json = { session: 'secret-session', folders: [folder.name] };
    expect((await client.call('POST', '/mounts', { json })).status).toBe(201);
    client.close();
    const samples = await eventually(async () => {
      const found = await scrape(api.process);
      const got = { method: 'GET', route: '/folders/:name/files/*path', status: '200' };
      expect(figureOf(found, 'vfolder_http_request_duration_seconds_count', got)).toBe(1);
      return found;
    });
    const put = figureOf(samples, 'vfolder_upload_bytes_total', { protocol: 'put' });
    expect(put).toBe(5_000);
    expect(figureOf(samples, 'vfolder_upload_bytes_total', { protocol: 'multipart' })).toBeGreaterThan(
      100_000,
    );
    const downloaded = figureOf(samples, 'vfolder_download_bytes_total', { protocol: 'download' });
    expect(downloaded).toBeGreaterThan(100_000);
    expect(downloaded).toBeLessThan(102_000);
    expect(figureOf(samples, 'vfolder_uploads_active')).toBe(0);
    expect(figureOf(samples, 'vfolder_mounts_active', { volume: 'local' })).toBe(1);
    const nowhere = { route: 'none', status: '404' };
    expect(figureOf(samples, 'vfolder_http_request_duration_seconds_count', nowhere)).toBe(1);
    const ofWorker = await scrape(worker);
    const committed = { queue: 'upload.local', name: 'upload.commit', result: 'succeeded' };
    expect(figureOf(ofWorker, 'vfolder_job_duration_seconds_count', committed)).toBe(2);
    expect(
      figureOf(ofWorker, 'vfolder_job_wait_seconds_count', { queue: 'upload.local', name: 'upload.commit' }),
    ).toBe(2);
    await eventually(async () =>
      expect(figureOf(await scrape(api.process), 'vfolder_workers', { queue: 'upload.local' })).toBe(1),
    );
    const labels = JSON.stringify([...samples, ...ofWorker].map((sample) => sample.labels));
    expect(labels).not.toMatch(/secret|E2EADMIN|[0-9a-f]{32}|[0-9a-f]{8}-/);
  });

  it('are all that the shipped alerts and the dashboard ask for, metrics and labels', async () => {
    const pages = await Promise.all([pageOf(api.process), pageOf(worker)]);
    const known = new Set([...pages.flatMap((page) => [...metricNames(page)]), 'up']);
    const samples = pages.flatMap(readExposition);
    const shipped = readShipped();
    expect(shipped.length).toBeGreaterThan(30);
    for (const { title, expr } of shipped) {
      const asked = metricsIn(expr);
      expect({ title, unknown: asked.filter((name) => !known.has(name)) }).toEqual({ title, unknown: [] });
      const found = samples.filter(({ name }) => asked.includes(name));
      // Prometheus itself knows whom it asked.
      const labels = new Set([...found.flatMap((sample) => Object.keys(sample.labels)), 'job', 'instance']);
      const strange = labelsIn(expr).filter((name) => !labels.has(name));
      expect({ title, asks: asked.length > 0, strange }).toEqual({ title, asks: true, strange: [] });
    }
  });

  it('are at no port of their own unless one is set', async () => {
    const plain = await startApi(ground, { VFOLDER_METRICS_PORT: '' });
    try {
      expect(Reflect.get(plain.process.readiness, 'metricsPort')).toBeUndefined();
      expect((await fetch(`${plain.url}/metrics`)).status).toBe(404);
    } finally {
      await plain.process.stop();
    }
  });

  it('on a port in use end the start with one sentence that names the setting', async () => {
    const taken = String(Reflect.get(worker.readiness, 'metricsPort'));
    const started = startWorker(ground, { VFOLDER_METRICS_PORT: taken });
    const sentence = `Port ${taken} is in use: set VFOLDER_METRICS_PORT to a free one.`;
    await expect(started).rejects.toThrow(sentence);
  });
});

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port that is free and has two free ones after it. */
async function findThreePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all([first, first + 1, first + 2].map(isFree));
    if (free.every(Boolean)) return first;
  }
}

describe('the figures under npm start', () => {
  it('are at the port that is set for the API, and at those that follow for the workers', async () => {
    const first = await findThreePorts();
    const service = await startService({
      backend: 'postgres',
      env: { VFOLDER_METRICS_PORT: String(first) },
      workers: 2,
    });
    try {
      const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const [api, ...workers] = await Promise.all([first, first + 1, first + 2].map(page));
      expect(metricNames(api ?? '')).toContain('vfolder_http_request_duration_seconds_count');
      for (const worker of workers)
        expect(metricNames(worker)).toContain('vfolder_job_duration_seconds_count');
    } finally {
      await service.stop();
    }
  });
});
