import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { routes } from '../../api/routes.ts';
import { usualConcurrency } from '../../jobs/consumer.ts';
import { queueNames } from '../../jobs/contracts.ts';
import { readConfig } from '../../runtime/config.ts';
import { settingsSchema } from '../../runtime/settings.ts';
import { listFiles, readText, repositoryRoot } from './repository.ts';

const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const named = z.object({ name: z.string() });
const labels = z.record(z.string(), z.string());

const container = z.object({
  image: z.literal('vfolder'),
  command: z.tuple([z.literal('node'), z.string()]),
  env: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  envFrom: z.tuple([z.object({ configMapRef: named }), z.object({ secretRef: named })]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  startupProbe: probe.optional(),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});

const pod = z.object({
  metadata: z.object({ labels }),
  spec: z.object({
    terminationGracePeriodSeconds: z.number().optional(),
    automountServiceAccountToken: z.literal(false),
    securityContext: z.object({
      runAsNonRoot: z.literal(true),
      fsGroupChangePolicy: z.literal('OnRootMismatch'),
    }),
    containers: z.tuple([container]),
    volumes: z.array(
      z.object({
        name: z.string(),
        persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
      }),
    ),
  }),
});

const objectSchema = z.looseObject({
  kind: z.string(),
  metadata: named.optional(),
  data: labels.optional(),
  spec: z.looseObject({}).optional(),
});

function readObjects(path: string) {
  return parseAllDocuments(readText(path)).map((document) => objectSchema.parse(document.toJS()));
}

const files = listFiles(/\.yaml$/, 'deploy/k8s');
const manifests = files.filter((path) => !path.endsWith('/kustomization.yaml'));
const objects = manifests.flatMap(readObjects);
const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
const names = (kind: string) => ofKind(kind).map(({ metadata }) => metadata?.name);
const workloads = [...ofKind('Deployment'), ...ofKind('Job')].map((object) => ({
  name: object.metadata?.name ?? '',
  template: pod.parse(object.spec?.template),
}));
const settings = ofKind('ConfigMap')[0]?.data ?? {};

describe.each(workloads)('the pod of $name', ({ template }) => {
  const [main] = template.spec.containers;
  const env = { ...settings, ...Object.fromEntries(main.env.map(({ name, value }) => [name, value])) };

  it('runs a program that exists', () => {
    const source = main.command[1].replace(/^dist\/(.*)\.js$/, '$1.ts');
    expect(existsSync(join(repositoryRoot, source))).toBe(true);
  });

  it('is given settings that the service takes', () => {
    const known = Object.keys(settingsSchema.shape);
    expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
    const config = readConfig(env);
    const mounted = main.volumeMounts.map(({ mountPath }) => mountPath);
    for (const root of config.volumes.values()) expect(mounted).toContain(root);
    const grace = template.spec.terminationGracePeriodSeconds;
    // Beside the work itself every step of the shutdown has 5 s, and Kubernetes waits before it asks.
    if (grace !== undefined) expect(config.shutdownMs / 1_000 + 30).toBeLessThanOrEqual(grace);
  });

  it('is probed and read at ports where it listens, and at paths that exist', () => {
    const config = readConfig(env);
    const expected = { http: config.port, metrics: config.metrics?.port };
    for (const { name, containerPort } of main.ports)
      expect([name, containerPort]).toEqual([name, Reflect.get(expected, name)]);
    const paths = { http: routes.map(({ path }) => path), metrics: ['/healthz', '/metrics'] };
    for (const found of [main.readinessProbe, main.livenessProbe, main.startupProbe]) {
      if (found === undefined) continue;
      const { path, port } = found.httpGet;
      expect(main.ports.map(({ name }) => name)).toContain(port);
      expect(Reflect.get(paths, port)).toContain(path);
    }
  });

  it('mounts a claim that exists', () => {
    const claims = template.spec.volumes.flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []);
    expect(claims).toHaveLength(1);
    for (const claim of claims) expect(names('PersistentVolumeClaim')).toContain(claim);
    const volumes = template.spec.volumes.map(({ name }) => name);
    for (const { name } of main.volumeMounts) expect(volumes).toContain(name);
  });
});

describe('the manifests', () => {
  it('are all part of a kustomization, and each that one names exists', () => {
    const listed = files
      .filter((path) => path.endsWith('/kustomization.yaml'))
      .flatMap((path) => {
        const { resources } = z.object({ resources: z.array(z.string()) }).parse(parse(readText(path)));
        return resources.map((name) => join(path, '..', name));
      });
    expect(listed.filter((path) => path.endsWith('.yaml')).toSorted()).toEqual(manifests);
    for (const path of listed) expect(existsSync(join(repositoryRoot, path))).toBe(true);
  });

  it('hold no secret', () => {
    expect(ofKind('Secret')).toEqual([]);
    expect(Object.keys(settings).filter((name) => /KEY$|_URL$|PASSWORD/.test(name))).toEqual([]);
  });

  it('select pods that exist', () => {
    const selected = objects.flatMap(({ spec }) => {
      const text = z.record(z.string(), z.unknown()).safeParse(spec?.selector);
      if (!text.success) return [];
      return [labels.safeParse(text.data).data ?? labels.parse(text.data.matchLabels)];
    });
    const made = workloads.map(({ template }) => template.metadata.labels['app.kubernetes.io/name']);
    expect(selected.length).toBeGreaterThan(5);
    for (const selector of selected) expect(made).toContain(selector['app.kubernetes.io/name']);
  });

  it('scale deployments that exist', () => {
    const target = z.object({ scaleTargetRef: named });
    const scalers = [...ofKind('HorizontalPodAutoscaler'), ...ofKind('ScaledObject')];
    expect(scalers).toHaveLength(2);
    for (const { spec } of scalers)
      expect(names('Deployment')).toContain(target.parse(spec).scaleTargetRef.name);
  });

  it('scale workers by every kind of work, each worth what one worker runs of it', () => {
    const scaled = z.object({
      triggers: z.array(
        z.object({
          type: z.literal('metrics-api'),
          metadata: z.object({ url: z.string(), valueLocation: z.string(), targetValue: z.string() }),
        }),
      ),
    });
    const { triggers } = scaled.parse(ofKind('ScaledObject')[0]?.spec);
    expect(
      Object.fromEntries(
        triggers.map(({ metadata }) => [metadata.valueLocation, Number(metadata.targetValue)]),
      ),
    ).toEqual(Object.fromEntries(queueNames.map((name) => [`backlog.${name}`, usualConcurrency[name]])));
    for (const { metadata } of triggers) {
      const { hostname, port, pathname } = new URL(metadata.url);
      expect(names('Service')).toContain(hostname.split('.')[0]);
      expect([port, pathname]).toEqual([settings.VFOLDER_METRICS_PORT, '/backlog']);
    }
  });
});
