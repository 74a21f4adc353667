import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, loadEncryptionKey, requireSameKey } from '../../runtime/encryption-key.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

let dir: TempDir;

beforeEach(async () => {
  dir = await createTempDir();
});

afterEach(() => dir.remove());

describe('loadEncryptionKey', () => {
  it('gives all who come at once the same new key, kept for its owner only', async () => {
    const dataDir = join(dir.path, 'data');
    const keys = await Promise.all(
      Array.from({ length: 8 }, () => loadEncryptionKey({ given: undefined, dataDir })),
    );
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
    expect((await stat(join(dataDir, 'encryption.key'))).mode & 0o777).toBe(0o600);
    expect(await loadEncryptionKey({ given: undefined, dataDir })).toEqual(keys[0]);
  });

  it('prefers the given key and writes nothing then', async () => {
    const given = Buffer.alloc(32, 1);
    expect(await loadEncryptionKey({ given, dataDir: join(dir.path, 'none') })).toBe(given);
    await expect(stat(join(dir.path, 'none'))).rejects.toThrow('ENOENT');
  });

  it('refuses a file that holds no key, and does not replace it', async () => {
    await writeFile(join(dir.path, 'encryption.key'), 'abc');
    const load = () => loadEncryptionKey({ given: undefined, dataDir: dir.path });
    await expect(load()).rejects.toThrow(/does not hold 64 hexadecimal digits: .*VFOLDER_ENCRYPTION_KEY/);
    await expect(load()).rejects.toThrow(/does not hold/);
  });
});

describe('requireSameKey', () => {
  it('passes the key whose fingerprint is stored and refuses any other', async () => {
    const key = Buffer.alloc(32, 1);
    await requireSameKey(key, async (fingerprint) => fingerprint);
    await expect(requireSameKey(key, async () => fingerprintOf(Buffer.alloc(32, 2)))).rejects.toThrow(
      /sealed with another encryption key/,
    );
  });
});
