import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteToken, insertToken } from '../../../db/queries/api-tokens.ts';
import { deleteKeypair, updateKeypair } from '../../../db/queries/keypairs.ts';
import { apiTokenForm } from '../../../domain/api-token.ts';
import { tokenDigest } from '../../../domain/secret-token.ts';
import { countOpenEntries } from '../../storage/archive/archive-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import { type DownloadService, type Reader, startDownloadService, untilClosed } from './download-service.ts';

let service: DownloadService;

beforeAll(async () => {
  service = await startDownloadService();
});
afterAll(() => service.close());

interface Proof {
  open(path: string): Promise<http.IncomingMessage>;
  revoke(): Promise<unknown>;
}

async function byToken(owner: Reader): Promise<Proof> {
  const { db } = service.database;
  const token = apiTokenForm.make();
  const { userId } = owner;
  const id = uuidv7();
  const row = { id, userId, name: '', digest: tokenDigest(token), scopes: ['read'] as const };
  await insertToken(db, { ...row, expiresInSeconds: 600 });
  return {
    open: (path) => owner.openWith(path, { authorization: `Bearer ${token}` }),
    revoke: () => deleteToken(db, { id, userId }),
  };
}

const proofs: readonly (readonly [string, (owner: Reader) => Promise<Proof>])[] = [
  ['a token that is revoked', byToken],
  [
    'a keypair that is switched off',
    async (owner) => ({
      open: (path) => owner.open(path),
      revoke: () => updateKeypair(service.database.db, owner.accessKey, { isActive: false }),
    }),
  ],
  [
    'a keypair that is removed',
    async (owner) => ({
      open: (path) => owner.open(path),
      revoke: () => deleteKeypair(service.database.db, owner.accessKey),
    }),
  ],
];

describe('what is sent by', () => {
  it.each(proofs)('%s is cut soon after', async (_what, prove) => {
    const owner = await service.signUp();
    const folder = await service.createFolder(owner, 'data');
    await folder.write('long', randomBytes(40_000_000));
    const { open, revoke } = await prove(owner);
    const responses = [
      await open('/folders/data/files/long'),
      await open('/folders/data/download?files=long'),
      await open('/folders/data/download?files=long&format=tar'),
    ];
    for (const response of responses) {
      response.on('error', () => undefined);
      expect(response.statusCode).toBe(200);
      await once(response, 'data');
      response.pause();
    }
    await revoke();
    await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
    for (const response of responses) {
      response.resume();
      await untilClosed(response);
      expect(response.complete).toBe(false);
    }
  });

  it('a link that is revoked is cut soon after', async () => {
    const owner = await service.signUp();
    const folder = await service.createFolder(owner);
    await folder.write('d/long', randomBytes(40_000_000));
    const body = { folder: folder.id, path: 'd', expires_in: 600 };
    const made = await owner.send('POST', '/links', { body });
    const { id, token } = JSON.parse(made.body.toString());
    const responses = [await owner.openWith(`/l/${token}`, {}), await owner.openWith(`/l/${token}/long`, {})];
    for (const response of responses) {
      response.on('error', () => undefined);
      expect(response.statusCode).toBe(200);
      await once(response, 'data');
      response.pause();
    }
    expect((await owner.send('DELETE', `/links/${id}`)).status).toBe(204);
    await eventually(async () => expect(await countOpenEntries(service.root)).toBe(0));
    for (const response of responses) {
      response.resume();
      await untilClosed(response);
      expect(response.complete).toBe(false);
    }
  });
});
