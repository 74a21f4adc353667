import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceRoutes } from '../../../api/service/routes.ts';
import { openDatabase } from '../../../db/client.ts';
import { openJobClient } from '../../../jobs/open-job-client.ts';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { findFreePort } from '../../support/free-port.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type CoreServer, makeSecretBox, startCoreServer } from '../core-server.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const secrets = makeSecretBox();
let database: TestDatabase;
let dir: TempDir;
let volume: PosixVolume;
let server: CoreServer;

beforeAll(async () => {
  database = await createTestDatabase();
  dir = await createTempDir();
  await mkdir(join(dir.path, 'volume'));
  volume = await openPosixVolume({ name: 'local', root: join(dir.path, 'volume') });
  const volumes = new Map([['local', volume]]);
  server = await startCoreServer(database, { secrets, routes: serviceRoutes, services: { volumes } });
});
afterAll(async () => {
  await server?.close();
  await volume?.close();
  await database?.close();
  await dir?.remove();
});

describe('GET /', () => {
  it('tells anyone the API version and the dotted version of the service', async () => {
    const { status, json } = await server.send({ path: '/' });
    expect(status).toBe(200);
    expect(json).toEqual({ version: expect.stringMatching(/^v\d+\.\d{8}$/), manager: '1.2.3' });
  });
});

describe('GET /readyz', () => {
  it('is 200 while database and storage answer', async () => {
    const { status, json } = await server.send({ path: '/readyz' });
    expect(status).toBe(200);
    expect(json).toEqual({ status: 'ok', database: 'ok', queue: 'ok', volumes: { local: 'ok' } });
  });

  it('is 503 while the process stops, though every part still answers', async () => {
    const services = { volumes: new Map([['local', volume]]), stopping: AbortSignal.abort() };
    const leaving = await startCoreServer(database, { secrets, routes: serviceRoutes, services });
    try {
      const { status, json } = await leaving.send({ path: '/readyz' });
      expect(status).toBe(503);
      expect(json).toMatchObject({ status: 'stopping', database: 'ok', volumes: { local: 'ok' } });
    } finally {
      await leaving.close();
    }
  });

  it('is 503 and names the database when that is away, while /livez stays 200', async () => {
    const url = `postgres://nobody@127.0.0.1:${await findFreePort()}/none`;
    const away = openDatabase({ url, connectionsMax: 1, applicationName: 'test' });
    const volumes = new Map([['local', volume]]);
    const options = { secrets, routes: serviceRoutes, services: { volumes, db: away.db } };
    const lonely = await startCoreServer(database, options);
    try {
      const { status, json } = await lonely.send({ path: '/readyz' });
      expect(status).toBe(503);
      expect(json).toMatchObject({
        status: 'unavailable',
        database: 'unavailable',
        volumes: { local: 'ok' },
      });
      expect((await lonely.send({ path: '/livez' })).status).toBe(200);
    } finally {
      await lonely.close();
      await away.close(1);
    }
  });

  it('stays 200 and tells of it while the store of the queues is away', async () => {
    const client = await openJobClient({
      db: database.db,
      databaseUrl: database.url,
      redisUrl: `redis://127.0.0.1:${await findFreePort()}`,
      volumes: [],
      logger: silent,
    });
    const volumes = new Map([['local', volume]]);
    const services = { volumes, jobs: client };
    const lonely = await startCoreServer(database, { secrets, routes: serviceRoutes, services });
    try {
      const { status, json } = await lonely.send({ path: '/readyz' });
      expect(status).toBe(200);
      expect(json).toMatchObject({ status: 'degraded', database: 'ok', queue: 'unavailable' });
    } finally {
      await lonely.close();
      await client.close();
    }
  });

  it('stays 200 with one hung volume of two, and does not wait for it', async () => {
    const hung = { ...volume, capacity: () => new Promise<never>(() => undefined) };
    const volumes = new Map([
      ['local', volume],
      ['hung', hung],
    ]);
    const partial = await startCoreServer(database, {
      secrets,
      routes: serviceRoutes,
      services: { volumes },
    });
    try {
      const { status, json } = await partial.send({ path: '/readyz' });
      expect(status).toBe(200);
      expect(json).toMatchObject({ status: 'degraded', volumes: { local: 'ok', hung: 'unavailable' } });
    } finally {
      await partial.close();
    }
  });
});
