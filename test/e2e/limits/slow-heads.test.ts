import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { openSocket } from '../support/raw-socket.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestUser, upload } from '../support/users.ts';

const socketsTotal = 200;

describe('clients that never finish their head', () => {
  let service: Service;
  let user: TestUser;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    service = await startService({ backend: 'postgres' });
    user = await createUser(service);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await service?.stop();
  });

  it('hinder nobody and are cut off', { timeout: 90_000 }, async () => {
    let closed = 0;
    for (let index = 0; index < socketsTotal; index += 1) {
      const socket = await openSocket(service.url);
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        closed += 1;
      });
      socket.resume();
      // Some say nothing at all, some stop in the middle of a line, some between two headers.
      if (index % 4 > 0) socket.write('GET /folders HTTP/1.1\r\n');
      if (index % 4 > 1) socket.write('Host: example.org\r\n');
      if (index % 4 > 2) socket.write('X-Slow: a');
    }
    const open = socketsTotal - closed;
    const folder = await createFolder(user.client);
    await upload(user.client, folder, { 'a/b': 'c' });
    expect((await user.client.call('GET', '/folders')).status).toBe(200);
    // Otherwise nobody was there to hinder anybody.
    expect(open).toBe(socketsTotal);
    await eventually(() => expect(closed).toBe(socketsTotal), { timeoutMs: 60_000, everyMs: 200 });
    expect((await user.client.call('GET', '/livez')).status).toBe(200);
  });
});
