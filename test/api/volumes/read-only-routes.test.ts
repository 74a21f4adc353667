import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusalsOf } from '../../../api/openapi/refusals.ts';
import type { Route } from '../../../api/route.ts';
import { routes } from '../../../api/routes.ts';
import { createServer } from '../../../api/server.ts';
import { insertKeypair } from '../../../db/queries/keypairs.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';
import { askRoute, type RouteAnswer } from '../ask-route.ts';
import { startTestService, type TestService } from '../folders/test-service.ts';

const nameOf = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`;

/** They need a right to change, and change nothing in the folder. */
const harmless = new Set(['POST /folders/:name/recalculate']);
/** They need another right, and change something on the volume. */
const others = new Set([
  'DELETE /folders/:name',
  'DELETE /folders/:name/force',
  'POST /folders/:name/archives',
]);
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function isChange(route: Route): boolean {
  const isForWriters = route.right === 'write' || route.right === 'delete';
  return others.has(nameOf(route)) || (isForWriters && !harmless.has(nameOf(route)));
}

let service: TestService;
let base: string;
let ownerId: string;
let authorization: string;
let close: () => Promise<void>;

beforeAll(async () => {
  service = await startTestService();
  const { services } = service;
  const { db, secrets } = services;
  ownerId = await insertTestUser(db);
  const accessKey = `AK${randomBytes(9).toString('hex').toUpperCase()}`;
  await insertKeypair(db, { accessKey, userId: ownerId, secretSealed: secrets.seal('secret') });
  authorization = `Basic ${Buffer.from(`${accessKey}:secret`).toString('base64')}`;
  const server = createServer({ services, routes, logger: silent });
  base = `http://127.0.0.1:${await server.listen({ port: 0, host: '127.0.0.1' })}`;
  close = () => server.close(1_000);
  const note = async () => undefined;
  await services.jobs.volumeStates.change('local', { state: 'read_only', note });
});
afterAll(async () => {
  await close?.();
  await service?.close();
});

/** A folder with a file `a`, as a session would leave it. */
async function makeFolder(): Promise<string> {
  const folder = await insertTestFolder(service.services.db, { ownerId });
  await service.volume.createFolder(folder.id);
  const places = await readdir(service.root, { recursive: true });
  const place = places.find((one) => one.endsWith(join(folder.id, 'data')));
  if (place === undefined) throw new Error('The folder has a directory.');
  await writeFile(join(service.root, place, 'a'), 'content');
  return folder.name;
}

async function ask(route: Route): Promise<RouteAnswer> {
  const path = route.path
    .replace(':name', await makeFolder())
    .replace(':path{.+}', 'a')
    .replace(/:\w+$/, 'x');
  return await askRoute(base, route, { path, authorization });
}

const onFolders = routes
  .filter(({ right }) => right !== null)
  .map((route) => [nameOf(route), route] as const);

describe('on a read-only volume', () => {
  it.each(onFolders.filter(([, route]) => isChange(route)))(
    '%s is refused, as it documents',
    async (_name, route) => {
      expect(await ask(route)).toEqual({ status: 409, code: 'volume_read_only' });
      expect([...refusalsOf(route)]).toContain('volume_read_only');
    },
  );

  it.each(onFolders.filter(([, route]) => !isChange(route)))('%s goes on', async (_name, route) => {
    const answer = await ask(route);
    expect(answer).not.toMatchObject({ code: 'volume_read_only' });
    expect(answer).not.toMatchObject({ status: 500 });
  });

  it('has routes of both kinds', () => {
    const changes = onFolders.filter(([, route]) => isChange(route)).map(([name]) => name);
    for (const name of [...others, ...harmless]) expect(onFolders.map(([known]) => known)).toContain(name);
    expect(changes.length).toBeGreaterThan(others.size);
    expect(changes.length).toBeLessThan(onFolders.length);
  });
});
