import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { at } from '../support/json.ts';
import { makeBoundary, multipart, streamedMultipart } from '../support/multipart.ts';
import { openSocket } from '../support/raw-socket.ts';
import { type Service, startService } from '../support/service.ts';
import { basicHeader } from '../support/signature.ts';
import { folderDir, readUsage } from '../support/tree-usage.ts';
import { createFolder, createUser, type TestFolder, type TestUser, upload } from '../support/users.ts';

const abortsTotal = 300;
const abortsAtOnce = 10;
const fdsSpare = 5;
const nothing = { bytes: 0, files: 0 };

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
}

describe('uploads that break off', () => {
  let service: Service;
  let user: TestUser;
  beforeAll(async () => {
    service = await startService({ backend: 'postgres' });
    user = await createUser(service);
  });
  afterAll(() => service?.stop());

  const stageOf = (folder: TestFolder) => namesIn(join(folderDir(service.volumeRoot, folder.id), 'stage'));
  const countFds = () => {
    const [pid] = service.pids().api;
    return readdirSync(`/proc/${pid}/fd`).length;
  };

  /** Sends the head and a part of the body, then hangs up, politely or not. */
  async function breakOff(folder: TestFolder, index: number): Promise<void> {
    const boundary = makeBoundary();
    const size = [900, 60_000, 300_000, 900_000][index % 4] ?? 0;
    const parts = ['a', 'b', 'c'].map((name) => ({
      fileName: `${index}/${name}`,
      bytes: Buffer.alloc(size, name),
    }));
    const { body, contentType } = multipart(parts, boundary);
    const framing = index % 2 === 0 ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked';
    const head = [
      `POST ${folder.path('upload')} HTTP/1.1`,
      `Host: ${new URL(service.url).host}`,
      `Authorization: ${basicHeader(user.keypair)}`,
      `Content-Type: ${contentType}`,
      framing,
      '',
      '',
    ].join('\r\n');
    const sent = body.subarray(0, Math.floor((body.length * (index % 29)) / 30));
    const socket = await openSocket(service.url);
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(head);
    if (index % 2 === 1) socket.write(`${body.length.toString(16)}\r\n`);
    await new Promise((resolve) => socket.write(sent, resolve));
    // At different stages of the work of the service: at once, or after it has seen what came.
    if (index % 3 > 0) await user.client.call('GET', '/livez');
    if (index % 5 === 0) socket.end();
    else socket.resetAndDestroy();
    socket.resume();
    await closed;
  }

  it(`leave no reservation, no staged file and no descriptor, ${abortsTotal} times`, {
    timeout: 180_000,
  }, async () => {
    const folder = await createFolder(user.client);
    await upload(user.client, folder, { kept: 'kept' });
    const round = async (indices: readonly number[]) => {
      await Promise.all(indices.map((index) => breakOff(folder, index)));
    };
    const indices = Array.from({ length: abortsTotal }, (_, index) => index);
    // The first ones open what stays open: connections to the database, modules, logs.
    for (let start = 0; start < 60; start += abortsAtOnce)
      await round(indices.slice(start, start + abortsAtOnce));
    await eventually(async () => expect(await stageOf(folder)).toEqual([]));
    const before = countFds();
    for (let start = 0; start < abortsTotal; start += abortsAtOnce) {
      await round(indices.slice(start, start + abortsAtOnce));
    }
    await eventually(async () => {
      expect((await readUsage(user.client, folder.name)).reserved).toEqual(nothing);
      expect(await stageOf(folder)).toEqual([]);
      expect(countFds()).toBeLessThanOrEqual(before + fdsSpare);
    });
    expect((await readUsage(user.client, folder.name)).live).toEqual({ bytes: 4, files: 1 });
    process.stderr.write(
      `Descriptors of the API: ${before} before, ${countFds()} after ${abortsTotal} aborts\n`,
    );
  });

  it('get a typed refusal when the folder is deleted under them, and leave nothing', {
    timeout: 90_000,
  }, async () => {
    const folder = await createFolder(user.client);
    const gate = new AbortController();
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(3_000_000, 'x');
      await new Promise((resolve) => gate.signal.addEventListener('abort', resolve, { once: true }));
      for (let index = 0; index < 40; index += 1) yield Buffer.alloc(500_000, 'y');
    }
    const { contentType, body } = streamedMultipart([{ fileName: 'a/b', source: Readable.from(slowly()) }]);
    const uploading = user.client.call('POST', folder.path('upload'), {
      body,
      headers: { 'Content-Type': contentType },
    });
    await eventually(async () => expect(await stageOf(folder)).toHaveLength(1));
    expect((await user.client.call('DELETE', folder.path())).status).toBe(204);
    await eventually(async () => expect(await namesIn(folderDir(service.volumeRoot, folder.id))).toEqual([]));
    gate.abort();
    const answer = await uploading;
    expect(answer.status, answer.text).toBeGreaterThanOrEqual(400);
    expect(answer.status, answer.text).toBeLessThan(500);
    expect(at(answer.json, 'code')).toMatch(/^(not_found|upload_aborted)$/);
    expect(await namesIn(folderDir(service.volumeRoot, folder.id))).toEqual([]);
    const again = await createFolder(user.client, folder.name);
    expect((await readUsage(user.client, again.name)).reserved).toEqual(nothing);
  });
});
