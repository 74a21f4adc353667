import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findFolderAllowance } from '../../db/queries/folders.ts';
import { findCredential } from '../../db/queries/keypairs.ts';
import { keypairs } from '../../db/schema/keypairs.ts';
import { users } from '../../db/schema/users.ts';
import { openSecretBox } from '../../db/secret-box.ts';
import { createLogger } from '../../runtime/logger.ts';
import { type PrepareConfig, prepareDatabase } from '../../supervisor/prepare.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

const logger = createLogger({ role: 'test', level: 'silent' });
const encryptionKey = Buffer.alloc(32, 7);
const given = { accessKey: 'GIVENGIVENGIVENGIVEN', secretKey: 'a secret given by hand'.replaceAll(' ', '-') };

let database: TestDatabase;
let dir: TempDir;
let config: PrepareConfig;

beforeEach(async () => {
  database = await createTestDatabase();
  dir = await createTempDir();
  config = {
    dataDir: dir.path,
    encryptionKey,
    adminEmail: 'Admin@Example.org',
    adminKeypair: undefined,
    redisUrl: undefined,
    limits: { foldersMax: undefined, folderBytesMax: undefined, folderFilesMax: undefined },
  };
});

afterEach(async () => {
  await database.close();
  await dir.remove();
});

const prepare = (changes: Partial<PrepareConfig> = {}) =>
  prepareDatabase(database.url, { ...config, ...changes }, logger);

describe('prepareDatabase', () => {
  it('makes an administrator whose sealed secret opens to what it answers', async () => {
    const { origin, keypair } = await prepare();
    const credential = await findCredential(database.db, keypair?.accessKey ?? '');
    expect(origin).toBe('made');
    expect(credential).toMatchObject({ role: 'admin', isActive: true, email: 'Admin@Example.org' });
    expect(openSecretBox(encryptionKey).open(credential?.secretSealed ?? Buffer.alloc(0))).toBe(
      keypair?.secretKey,
    );
  });

  it('keeps the keypair over further starts', async () => {
    const first = await prepare();
    const second = await prepare();
    expect(second).toEqual({ origin: 'file', keypair: first.keypair });
  });

  it('gives the default policy the limits that are set, and leaves the others', async () => {
    const { keypair } = await prepare();
    const user = await findCredential(database.db, keypair?.accessKey ?? '');
    const allowance = () => findFolderAllowance(database.db, user?.userId ?? '');
    expect(await allowance()).toMatchObject({
      foldersMax: 100,
      folderBytesMax: 2 ** 30,
      folderFilesMax: 1_000,
    });
    await prepare({ limits: { foldersMax: 3, folderBytesMax: 7 * 2 ** 40, folderFilesMax: undefined } });
    await prepare();
    expect(await allowance()).toMatchObject({
      foldersMax: 3,
      folderBytesMax: 7 * 2 ** 40,
      folderFilesMax: 1_000,
    });
  });

  it('makes no second administrator for a database that has one', async () => {
    await prepare();
    await rm(join(dir.path, 'admin-keypair.json'));
    expect(await prepare()).toEqual({ origin: 'elsewhere', keypair: undefined });
  });

  it('takes the given keypair, also in place of an earlier secret, and for the same user whatever the case', async () => {
    await prepare({ adminKeypair: { ...given, secretKey: 'an-earlier-secret-key' } });
    const before = await findCredential(database.db, given.accessKey);
    const { origin } = await prepare({ adminKeypair: given, adminEmail: 'admin@example.ORG' });
    const after = await findCredential(database.db, given.accessKey);
    expect(origin).toBe('given');
    expect(after?.userId).toBe(before?.userId);
    expect(openSecretBox(encryptionKey).open(after?.secretSealed ?? Buffer.alloc(0))).toBe(given.secretKey);
  });

  it('leaves a keypair that was changed since as it is, until the file or the settings have another one', async () => {
    await prepare({ adminKeypair: given });
    const sealed = openSecretBox(encryptionKey).seal('a-rotated-secret-key');
    await database.db.update(keypairs).set({ secretSealed: sealed });
    await prepare({ adminKeypair: given });
    const secret = async () => {
      const credential = await findCredential(database.db, given.accessKey);
      return openSecretBox(encryptionKey).open(credential?.secretSealed ?? Buffer.alloc(0));
    };
    expect(await secret()).toBe('a-rotated-secret-key');
    await prepare({ adminKeypair: { ...given, secretKey: 'another-secret-key' } });
    expect(await secret()).toBe('another-secret-key');
  });

  it('leaves an administrator switched off as long as there is another one', async () => {
    await prepare({ adminKeypair: given });
    const other = { accessKey: 'OTHEROTHEROTHEROTHER', secretKey: 'another-secret-key' };
    await prepare({ adminKeypair: other, adminEmail: 'other@example.org' });
    await prepare({ adminKeypair: given });
    await database.db.update(users).set({ isActive: false }).where(eq(users.email, 'Admin@Example.org'));
    await prepare({ adminKeypair: given });
    expect(await findCredential(database.db, given.accessKey)).toMatchObject({ isActive: false });
    await database.db.update(users).set({ isActive: false });
    await prepare({ adminKeypair: given });
    expect(await findCredential(database.db, given.accessKey)).toMatchObject({ isActive: true });
  });

  it('may run many times at once', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => prepare()));
    expect(new Set(all.map(({ keypair }) => keypair?.accessKey)).size).toBe(1);
  });

  it('refuses another encryption key than the one in use, and changes nothing', async () => {
    const { keypair } = await prepare();
    const before = await findCredential(database.db, keypair?.accessKey ?? '');
    await expect(prepare({ encryptionKey: Buffer.alloc(32, 8) })).rejects.toThrow(/another encryption key/);
    expect(await findCredential(database.db, keypair?.accessKey ?? '')).toEqual(before);
  });
});
