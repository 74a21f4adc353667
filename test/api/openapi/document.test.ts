import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeRoutes } from '../../../api/openapi/document.ts';
import { routes } from '../../../api/routes.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { defineTestRoute } from '../test-route.ts';

const root = join(import.meta.dirname, '../../..');
const linter = join(root, 'node_modules/@redocly/cli/bin/cli.js');

const operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  responses: z.record(z.string(), z.unknown()),
  parameters: z
    .array(z.object({ in: z.string().optional(), description: z.string().optional() }))
    .default([]),
});
const document = describeRoutes(routes, '1.2.3');
const text = JSON.stringify(document);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, found]) => ({
    name: `${method.toUpperCase()} ${path}`,
    ...operation.parse(found),
  })),
);

/** Complaints of the recommended ruleset about a document, errors and warnings alike. */
async function complaintsOf(described: object): Promise<string[]> {
  const dir = await createTempDir();
  try {
    const path = join(dir.path, 'openapi.json');
    await writeFile(path, JSON.stringify(described));
    const args = [linter, 'lint', path, '--format=json', '--extends=recommended', '--max-problems=1000'];
    const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
    const run = promisify(execFile)(process.execPath, args, {
      env,
      cwd: dir.path,
      maxBuffer: 64 * 1024 ** 2,
    });
    const { stdout } = await run.catch((failure: { stdout: string }) => failure);
    const { problems } = z
      .object({ problems: z.array(z.object({ ruleId: z.string(), message: z.string() })) })
      .parse(JSON.parse(stdout));
    return problems.map(({ ruleId, message }) => `${ruleId}: ${message}`);
  } finally {
    await dir.remove();
  }
}

describe('the API document', () => {
  it('has every route that is not for people, and no other', () => {
    const served = routes
      .filter(({ doc }) => doc.isForPeople !== true)
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{\.\+\})?/g, '{$1}')}`);
    expect(operations.map(({ name }) => name).toSorted()).toEqual(served.toSorted());
  });

  it('leaves out the pages for people alone', () => {
    const left = routes.filter(({ doc }) => doc.isForPeople === true).map(({ path }) => path);
    expect([...new Set(left)].toSorted()).toEqual(['/admin/queues/*', '/docs', '/sign-in', '/sign-out']);
  });

  it('gives each operation an id of its own', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('names no scheme of proof for public routes, and no token for administrators', () => {
    for (const route of routes.filter(({ doc }) => doc.isForPeople !== true)) {
      const found = operations.find(({ operationId }) => operationId === route.doc.id);
      const schemes = found?.security.flatMap((scheme) => Object.keys(scheme)) ?? [];
      expect(schemes.length > 0, route.doc.id).toBe(route.access !== 'public');
      const isForTokens = route.access === 'user' && route.isKeypairOnly !== true;
      expect(schemes.includes('token'), route.doc.id).toBe(isForTokens);
    }
  });

  it('refers only to what it has', () => {
    const missing = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)]
      .map(([, kind = '', name = '']) => `"${kind}":{[\\s\\S]*"${name}":`)
      .filter((form) => !new RegExp(form).test(text.slice(text.indexOf('"components":'))));
    expect([...new Set(missing)]).toEqual([]);
    expect(text).not.toContain('#/$defs/');
  });

  it('passes the recommended rules of the linter without an error or a warning', async () => {
    expect(await complaintsOf(document)).toEqual([]);
  });

  it('would not pass them with an operation that never succeeds', async () => {
    const route = defineTestRoute({
      method: 'GET',
      path: '/nothing',
      access: 'public',
      right: null,
      body: 'json',
      input: z.object({}),
      handle: async () => ({ status: 200 }),
    });
    const complaints = await complaintsOf(describeRoutes([route], '1.2.3'));
    expect(complaints).toContain('operation-2xx-response: Operation must have at least one `2XX` response.');
  });

  it('says what each parameter of a path stands for', () => {
    const missing = operations.flatMap(({ name, parameters }) =>
      parameters.filter((one) => one.in === 'path' && one.description === undefined).map(() => name),
    );
    expect(missing).toEqual([]);
  });
});
