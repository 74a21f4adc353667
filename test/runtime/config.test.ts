import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queueNames } from '../../jobs/contracts.ts';
import { readConfig } from '../../runtime/config.ts';
import { ConfigError } from '../../runtime/config-error.ts';

const hexKey = 'ab'.repeat(32);
const keypair = {
  VFOLDER_ADMIN_ACCESS_KEY: 'ADMIN0000000000ADMIN',
  VFOLDER_ADMIN_SECRET_KEY: 'sixteen-chars-ok',
};

describe('readConfig', () => {
  it('needs no setting at all', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      dataDir: resolve('data'),
      adminKeypair: undefined,
      workers: 2,
      databaseUrl: undefined,
      redisUrl: undefined,
      encryptionKey: undefined,
      shutdownMs: 30_000,
      drainMs: 0,
      concurrency: undefined,
      rateLimit: 1_000_000,
      concurrencyPerKey: { requestsMax: 2_048, transfersMax: 512 },
      isDashboardReadOnly: false,
      allowsPlainSecrets: false,
      trustedProxies: [],
      publicUrl: undefined,
      logLevel: 'info',
    });
    expect([...config.volumes]).toEqual([['local', resolve('data/volumes/local')]]);
    expect(config.queues).toEqual(queueNames);
  });

  it('reads every setting', () => {
    const config = readConfig({
      ...keypair,
      PORT: '0',
      HOST: '0.0.0.0',
      DATABASE_URL: 'postgres://vfolder@%2Frun%2Fpg/vfolder',
      REDIS_URL: 'rediss://cache:6380/1',
      LOG_LEVEL: 'DEBUG',
      VFOLDER_DATA_DIR: '/srv/data',
      VFOLDER_ADMIN_EMAIL: 'ops@example.org',
      VFOLDER_WORKERS: '5',
      VFOLDER_VOLUMES: 'fast=/mnt/fast/, big=/mnt/big',
      VFOLDER_ENCRYPTION_KEY: hexKey,
      VFOLDER_SHUTDOWN_SECONDS: '7',
      VFOLDER_DRAIN_SECONDS: '3',
      VFOLDER_QUEUES: 'upload,delete',
      VFOLDER_CONCURRENCY: '3',
      VFOLDER_MAX_FOLDERS: '7',
      VFOLDER_MAX_FOLDER_BYTES: '10g',
      VFOLDER_MAX_FOLDER_FILES: '5000',
      VFOLDER_RATE_LIMIT: '10',
      VFOLDER_KEY_REQUESTS: '20',
      VFOLDER_KEY_TRANSFERS: '30',
      VFOLDER_BULLBOARD_READONLY: 'yes',
      VFOLDER_ALLOW_PLAIN_SECRETS: 'yes',
      VFOLDER_TRUST_PROXY: '10.0.0.1,fd00::/8',
    });
    expect(config).toMatchObject({
      port: 0,
      host: '0.0.0.0',
      databaseUrl: 'postgres://vfolder@%2Frun%2Fpg/vfolder',
      redisUrl: 'rediss://cache:6380/1',
      logLevel: 'debug',
      dataDir: '/srv/data',
      adminEmail: 'ops@example.org',
      adminKeypair: { accessKey: 'ADMIN0000000000ADMIN', secretKey: 'sixteen-chars-ok' },
      workers: 5,
      volumes: new Map([
        ['fast', '/mnt/fast'],
        ['big', '/mnt/big'],
      ]),
      encryptionKey: Buffer.from(hexKey, 'hex'),
      shutdownMs: 7_000,
      drainMs: 3_000,
      queues: ['upload', 'delete'],
      concurrency: 3,
      limits: { foldersMax: 7, folderBytesMax: 10 * 1024 ** 3, folderFilesMax: 5_000 },
      rateLimit: 10,
      concurrencyPerKey: { requestsMax: 20, transfersMax: 30 },
      isDashboardReadOnly: true,
      allowsPlainSecrets: true,
      trustedProxies: ['10.0.0.1', 'fd00::/8'],
    });
  });

  it('takes an empty value for none', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: ' ', VFOLDER_VOLUMES: '', VFOLDER_WRONG: '' })).toEqual(
      readConfig({}),
    );
  });

  it('takes the same encryption key as hexadecimal digits and as base64', () => {
    const base64 = Buffer.from(hexKey, 'hex').toString('base64');
    expect(readConfig({ VFOLDER_ENCRYPTION_KEY: base64 })).toEqual(
      readConfig({ VFOLDER_ENCRYPTION_KEY: hexKey }),
    );
  });

  it('leaves the names of the command line client and of other programs alone', () => {
    const env = {
      VFOLDER_URL: 'x',
      VFOLDER_ACCESS_KEY: 'x',
      VFOLDER_SECRET_KEY: 'x',
      VFOLDER_TOKEN: 'x',
      VFOLDER_PROFILE: 'x',
    };
    expect(readConfig({ ...env, HOME: '/root', PORTS: '1' })).toEqual(readConfig({}));
  });

  it.each([
    [{ PORT: '65536' }, 'PORT must be a whole number from 0 to 65535, not "65536".'],
    [{ PORT: '80x' }, 'PORT must be a whole number from 0 to 65535, not "80x".'],
    [{ PORT: '-1' }, 'PORT must be a whole number from 0 to 65535, not "-1".'],
    [{ HOST: 'a b' }, 'HOST must be an address or host name to listen on, not "a b".'],
    [
      { LOG_LEVEL: 'loud' },
      'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".',
    ],
    [
      { DATABASE_URL: 'mysql://u:geheim@h/d' },
      'DATABASE_URL must be a url such as postgres://user:password@host:5432/name.',
    ],
    [{ REDIS_URL: 'localhost:6379' }, 'REDIS_URL must be a url such as redis://host:6379.'],
    [{ VFOLDER_WORKERS: '1.5' }, 'VFOLDER_WORKERS must be a whole number from 0 to 64, not "1.5".'],
    [{ VFOLDER_ADMIN_EMAIL: 'root' }, 'VFOLDER_ADMIN_EMAIL must be an e-mail address, not "root".'],
    [
      { VFOLDER_SHUTDOWN_SECONDS: '0' },
      'VFOLDER_SHUTDOWN_SECONDS must be a whole number from 1 to 3600, not "0".',
    ],
    [
      { VFOLDER_QUEUES: 'upload,mail' },
      'VFOLDER_QUEUES must be one or more of upload, delete, archive, quota, copy, joined by commas, not "upload,mail".',
    ],
    [{ VFOLDER_CONCURRENCY: '0' }, 'VFOLDER_CONCURRENCY must be a whole number from 1 to 256, not "0".'],
    [
      { VFOLDER_MAX_FOLDER_BYTES: '10 GB' },
      'VFOLDER_MAX_FOLDER_BYTES must be a number of bytes, such as 1073741824, 500M or 10G, not "10 GB".',
    ],
    [
      { VFOLDER_RATE_LIMIT: 'none' },
      'VFOLDER_RATE_LIMIT must be a whole number from 1 to 1000000000, not "none".',
    ],
    [
      { VFOLDER_ALLOW_PLAIN_SECRETS: 'maybe' },
      'VFOLDER_ALLOW_PLAIN_SECRETS must be true or false, not "maybe".',
    ],
    [
      { VFOLDER_TRUST_PROXY: '10.0.0.0/33' },
      'VFOLDER_TRUST_PROXY must be addresses or ranges joined by commas, such as 10.0.0.1,10.1.0.0/16, not "10.0.0.0/33".',
    ],
    [
      { VFOLDER_VOLUMES: 'a=/x,a=/y' },
      'VFOLDER_VOLUMES must be volumes with different names, not "a=/x,a=/y".',
    ],
    [
      { VFOLDER_VOLUMES: 'a=/x,b=/x/' },
      'VFOLDER_VOLUMES must be volumes with different paths, not "a=/x,b=/x/".',
    ],
  ])('refuses %j in one sentence with the mend', (env, sentence) => {
    expect(() => readConfig(env)).toThrow(new ConfigError(sentence));
  });

  it.each(['a', 'a=relative', '=/x', 'A=/x', 'a=/', 'a=/x,'])('refuses the volumes %j', (value) => {
    expect(() => readConfig({ VFOLDER_VOLUMES: value })).toThrow(
      /^VFOLDER_VOLUMES must be name=\/absolute\/path pairs/,
    );
  });

  it.each(['abc', 'ab'.repeat(31), 'YWJj'])('refuses the encryption key %j without showing it', (value) => {
    expect(() => readConfig({ VFOLDER_ENCRYPTION_KEY: value })).toThrow(
      new ConfigError(
        'VFOLDER_ENCRYPTION_KEY must be 32 bytes as 64 hexadecimal digits or base64 (make one with "openssl rand -hex 32").',
      ),
    );
  });

  it('refuses a short secret key without showing it', () => {
    expect(() => readConfig({ ...keypair, VFOLDER_ADMIN_SECRET_KEY: 'short' })).toThrow(
      /^VFOLDER_ADMIN_SECRET_KEY must be at least 16 printable characters without spaces (?!.*not "short")/,
    );
  });

  it('refuses half of a keypair', () => {
    const { VFOLDER_ADMIN_ACCESS_KEY, VFOLDER_ADMIN_SECRET_KEY } = keypair;
    expect(() => readConfig({ VFOLDER_ADMIN_ACCESS_KEY })).toThrow(/^VFOLDER_ADMIN_SECRET_KEY is missing: /);
    expect(() => readConfig({ VFOLDER_ADMIN_SECRET_KEY })).toThrow(/^VFOLDER_ADMIN_ACCESS_KEY is missing: /);
  });

  it.each([
    ['VFOLDER_DATADIR', 'did you mean VFOLDER_DATA_DIR?'],
    ['VFOLDER_WORKER', 'did you mean VFOLDER_WORKERS?'],
    ['VFOLDER_ENCRYPTION_KEY_FIEL', 'did you mean VFOLDER_ENCRYPTION_KEY_FILE?'],
    ['VFOLDER_SOMETHING_ELSE', 'remove it; docs/CONFIGURATION.md lists them all'],
  ])('refuses the unknown name %s with a suggestion', (name, mend) => {
    expect(() => readConfig({ [name]: '1' })).toThrow(new ConfigError(`${name} is not a setting: ${mend}`));
  });
});

describe('a secret in a file', () => {
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'vft-config-'));
    await writeFile(join(dir, 'key'), `${hexKey}\n`);
  });

  afterAll(() => rm(dir, { recursive: true }));

  it('is read without its line end', () => {
    const config = readConfig({ VFOLDER_ENCRYPTION_KEY_FILE: join(dir, 'key') });
    expect(config.encryptionKey).toEqual(Buffer.from(hexKey, 'hex'));
  });

  it('is refused beside the value itself', () => {
    const env = { VFOLDER_ENCRYPTION_KEY_FILE: join(dir, 'key'), VFOLDER_ENCRYPTION_KEY: hexKey };
    expect(() => readConfig(env)).toThrow(
      /VFOLDER_ENCRYPTION_KEY and VFOLDER_ENCRYPTION_KEY_FILE are both set/,
    );
  });

  it('is refused when it cannot be read', () => {
    expect(() => readConfig({ DATABASE_URL_FILE: join(dir, 'none') })).toThrow(
      /^DATABASE_URL_FILE names a file that cannot be read/,
    );
  });

  it('exists for secrets only', () => {
    expect(() => readConfig({ VFOLDER_WORKERS_FILE: join(dir, 'key') })).toThrow(
      /VFOLDER_WORKERS_FILE is not a setting/,
    );
  });
});
