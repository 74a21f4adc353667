import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneDatabase } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import type { Client } from '../support/http-client.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, share, type TestFolder, type TestUser, upload } from '../support/users.ts';
import { elsewhere, runAdmin, startRestored } from './restored.ts';

const big = randomBytes(3_000_000);
const content: Readonly<Record<string, Uint8Array | string>> = {
  'readme.txt': 'hello',
  'a/b/c/leaf ü.bin': big,
  'a/empty': '',
};

let dir: TempDir;
let service: Service;
let owner: TestUser;
let friend: TestUser;
let folder: TestFolder;
beforeAll(async () => {
  dir = await createTempDir();
  service = await startService({ backend: 'postgres', workers: 1 });
  owner = await createUser(service, 'owner');
  friend = await createUser(service, 'friend');
  folder = await createFolder(owner.client);
  await upload(owner.client, folder, content);
  await share(folder, owner.client, { user: friend, permission: 'ro' });
});
afterAll(async () => {
  await service.stop();
  await dir.remove();
});

async function expectContent(client: Client, name: string): Promise<void> {
  for (const [path, bytes] of Object.entries(content)) {
    const answer = await client.call('GET', `/folders/${encodeURIComponent(name)}/download`, {
      query: { files: path },
      headers: { 'Accept-Encoding': 'identity' },
    });
    expect(answer.status).toBe(200);
    expect(sha256(answer.bytes)).toBe(sha256(bytes));
  }
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('vfolder admin backup and restore', () => {
  it('bring everything back: content, usage, keypairs, members, invitations, links; from a given database to an embedded one', async () => {
    const offered = await createFolder(owner.client);
    const invitation = { perm: 'rw', user_ids: [friend.email] };
    await owner.client.call('POST', offered.path('invite'), { json: invitation });
    const wanted = { folder: folder.id, path: 'readme.txt', expires_in: 3_600, max_uses: 2 };
    const link = await owner.client.call('POST', '/links', { json: wanted });
    const linkPath = `/l/${Reflect.get(Object(link.json), 'token')}`;
    expect((await service.client().call('GET', linkPath)).text).toBe('hello');
    const target = join(dir.path, 'backup');
    const saved = await runAdmin(service.env, 'backup', target, '--json');
    expect(saved.stderr).toBe('');
    expect(JSON.parse(saved.stdout)).toMatchObject({
      folders: 2,
      files: 3,
      bytes: big.length + 5,
      findings: [],
    });
    for (const name of await readdir(join(target, 'secrets'))) {
      expect((await stat(join(target, 'secrets', name))).mode & 0o777).toBe(0o600);
    }

    const place = join(dir.path, 'restored');
    const env = elsewhere(service, place);
    const restored = await runAdmin(env, 'restore', target, '--json');
    expect(restored.stderr).toBe('');
    expect(JSON.parse(restored.stdout)).toMatchObject({
      folders: 2,
      fsck: { findings: [], summary: { folders: 2, faults: 0, left: 0 } },
    });
    expect((await stat(join(place, 'data', 'encryption.key'))).mode & 0o777).toBe(0o600);
    const started = await startRestored(env);
    try {
      const client = started.client(owner.keypair);
      await expectContent(client, folder.name);
      await expectContent(started.client(friend.keypair), folder.name);
      const reads = [1, 2].map(() => started.client(friend.keypair).call('GET', linkPath));
      expect((await Promise.all(reads)).map(({ status }) => status).toSorted()).toEqual([200, 404]);
      const usage = await readUsage(client, folder.name);
      expect(usage.live).toEqual((await treeUsage(join(place, 'volume'), folder.id)).data);
      expect(usage.live).toEqual({ bytes: big.length + 5, files: 3 });
      const invitations = await started.client(friend.keypair).call('GET', '/folders/invitations/list');
      expect(invitations.text).toContain(offered.id);

      const again = await runAdmin(env, 'backup', join(dir.path, 'running'), '--json');
      expect(JSON.parse(again.stdout)).toMatchObject({ folders: 2, files: 3, findings: [] });
      expect((await runAdmin(env, 'restore', target)).code).toBe(2);
    } finally {
      await started.process.stop(30_000);
    }
    const stopped = await runAdmin(env, 'backup', join(dir.path, 'stopped'), '--json');
    expect(JSON.parse(stopped.stdout)).toMatchObject({ folders: 2, files: 3, findings: [] });
    expect((await runAdmin(env, 'restore', target)).code).toBe(6);
  }, 240_000);

  it('settle what was under way: uploads and deletes during the backup leave usage that is the tree, and nothing reserved', async () => {
    const busy = await createFolder(owner.client);
    let isOver = false;
    const work = Array.from({ length: 4 }, async (_, worker) => {
      for (let round = 0; !isOver; round += 1) {
        const name = `w${worker}/f${round % 3}`;
        await upload(owner.client, busy, { [name]: randomBytes(20_000) });
        const json = { files: [`w${worker}/f${(round + 1) % 3}`] };
        await owner.client.call('DELETE', busy.path('delete_files'), { json });
      }
    });
    const target = join(dir.path, 'amid');
    const saved = await runAdmin(service.env, 'backup', target, '--json');
    isOver = true;
    await Promise.all(work);
    expect(saved.stderr).toBe('');

    const place = join(dir.path, 'amid-restored');
    const database = await cloneDatabase();
    try {
      const env = elsewhere(service, place, { DATABASE_URL: database.url });
      expect(await runAdmin(env, 'restore', target)).toMatchObject({ code: 0, stderr: '' });
      const started = await startRestored(env);
      try {
        const client = started.client(owner.keypair);
        await expectContent(client, folder.name);
        await eventually(
          async () => {
            const tree = await treeUsage(join(place, 'volume'), busy.id);
            expect(await readUsage(client, busy.name)).toMatchObject({
              live: tree.data,
              reserved: { bytes: 0, files: 0 },
              trash: tree.trash,
            });
          },
          // An upload that was being received is given up when its lease is over and the sweep, once a minute, comes by.
          { timeoutMs: 170_000 },
        );
      } finally {
        await started.process.stop(30_000);
      }
    } finally {
      await database.drop();
    }
  }, 240_000);

  it('keep an upload that was acknowledged and waits for a worker', async () => {
    const waiting = await createFolder(owner.client);
    const setting = '/admin/queue-settings/upload.local?is_paused=';
    expect((await service.administrator.call('PATCH', `${setting}true`)).status).toBe(200);
    const parts = [{ fileName: 'late.bin', bytes: big }];
    const accepted = await owner.client.call('POST', waiting.path('upload'), {
      parts,
      headers: { Prefer: 'respond-async' },
    });
    expect(accepted.status).toBe(202);
    const target = join(dir.path, 'waiting');
    const saved = await runAdmin(service.env, 'backup', target);
    await service.administrator.call('PATCH', `${setting}false`);
    expect(saved.stderr).toBe('');

    const database = await cloneDatabase();
    try {
      const env = elsewhere(service, join(dir.path, 'waiting-restored'), { DATABASE_URL: database.url });
      expect(await runAdmin(env, 'restore', target)).toMatchObject({ code: 0, stderr: '' });
      const started = await startRestored(env);
      try {
        const resumed = await started.client(service.admin).call('PATCH', `${setting}false`);
        expect(resumed.status).toBe(200);
        const client = started.client(owner.keypair);
        const answer = await eventually(
          async () => {
            const found = await client.call('GET', waiting.path('download'), {
              query: { files: 'late.bin' },
              headers: { 'Accept-Encoding': 'identity' },
            });
            expect(found.status).toBe(200);
            return found;
          },
          { timeoutMs: 60_000 },
        );
        expect(sha256(answer.bytes)).toBe(sha256(big));
      } finally {
        await started.process.stop(30_000);
      }
    } finally {
      await database.drop();
    }
  }, 180_000);

  it('name what cannot be kept and end with 8', async () => {
    const data = join(folderDir(service.volumeRoot, (await createFolder(owner.client)).id), 'data');
    await symlink('/etc/passwd', join(data, 'link'));
    const saved = await runAdmin(service.env, 'backup', join(dir.path, 'partly'), '--json');
    expect(saved.code).toBe(8);
    expect(JSON.parse(saved.stdout)).toMatchObject({ findings: [{ kind: 'skipped', path: 'link' }] });
  }, 60_000);

  it('compare rows and files at the end, and tell that a staged file is not in the backup', async () => {
    const begun = await createFolder(owner.client);
    const metadata = metadataOf({ folder: begun.name, path: 'half' });
    const headers = { 'Upload-Length': '20', 'Upload-Metadata': metadata };
    const made = await tus(owner.client, 'POST', '/uploads', { headers });
    const { pathname } = new URL(made.headers.location ?? '', 'http://service');
    await patch(owner.client, pathname, 0, Buffer.from('0123456789'));
    const target = join(dir.path, 'begun');
    await runAdmin(service.env, 'backup', target);
    await tus(owner.client, 'DELETE', pathname);
    const staged = join(folderDir(join(target, 'volumes', 'local'), begun.id), 'stage');
    for (const name of await readdir(staged)) await rm(join(staged, name));
    const database = await cloneDatabase();
    try {
      const env = elsewhere(service, join(dir.path, 'begun-restored'), { DATABASE_URL: database.url });
      const { code, stdout, stderr } = await runAdmin(env, 'restore', target, '--json');
      expect(code).toBe(8);
      expect(stderr).toContain('restore is not whole');
      expect(JSON.parse(stdout).fsck).toMatchObject({
        findings: [{ code: 'upload_incomplete', outcome: 'left' }],
        summary: { faults: 1, left: 1 },
      });
      expect(await runAdmin(env, 'fsck', '--fix')).toMatchObject({ code: 0 });
    } finally {
      await database.drop();
    }
  }, 60_000);

  it('compare every byte when both are told to verify, and refuse to where nothing was noted', async () => {
    const plain = join(dir.path, 'unverified');
    await runAdmin(service.env, 'backup', plain);
    const target = join(dir.path, 'verified');
    expect((await runAdmin(service.env, 'backup', '--verify', target)).stdout).toContain('Saved ');
    const database = await cloneDatabase();
    try {
      const env = elsewhere(service, join(dir.path, 'verified-restored'), { DATABASE_URL: database.url });
      expect(await runAdmin(env, 'restore', '--verify', plain)).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('made without --verify'),
      });
      const leaf = join(folderDir(join(target, 'volumes', 'local'), folder.id), 'data', 'readme.txt');
      await writeFile(leaf, 'jello');
      const damaged = await runAdmin(env, 'restore', '--verify', target);
      expect(damaged.code).toBe(1);
      expect(damaged.stderr).toMatch(
        /^vfolder: The backup is damaged: "readme.txt" of folder [^\n]*\nvfolder: [^\n]*\n$/,
      );
      await writeFile(leaf, 'hello');
      expect(await runAdmin(env, 'restore', '--verify', target)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await database.drop();
    }
  }, 120_000);

  it('refuse to write over anything, another version, a cut off and a damaged backup', async () => {
    const target = join(dir.path, 'refused');
    await runAdmin(service.env, 'backup', target);
    expect((await runAdmin(service.env, 'backup', target)).code).toBe(6);
    expect((await runAdmin(service.env, 'restore', target)).code).toBe(6);

    const env = elsewhere(service, join(dir.path, 'never'), {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
    });
    const manifest = join(target, 'manifest.json');
    const whole = await readFile(manifest, 'utf8');
    await writeFile(manifest, whole.replace(/"schema": \d+/, '"schema": 1'));
    expect(await runAdmin(env, 'restore', target)).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('older version'),
    });
    await writeFile(manifest, '{');
    expect((await runAdmin(env, 'restore', target)).code).toBe(6);
    expect((await runAdmin(env, 'restore', dir.path)).code).toBe(6);
    await writeFile(manifest, whole);

    const database = await cloneDatabase();
    try {
      const occupied = join(dir.path, 'occupied');
      await mkdir(join(occupied, 'volume', 'f', 'aa'), { recursive: true });
      const there = elsewhere(service, occupied, { DATABASE_URL: database.url });
      expect((await runAdmin(there, 'restore', target)).code).toBe(6);
      const leaf = join(folderDir(join(target, 'volumes', 'local'), folder.id), 'data', 'readme.txt');
      await writeFile(leaf, 'bad');
      const fresh = elsewhere(service, join(dir.path, 'fresh'), { DATABASE_URL: database.url });
      const damaged = await runAdmin(fresh, 'restore', target);
      expect(damaged.code).toBe(1);
      expect(damaged.stderr).toMatch(/^vfolder: The backup is damaged: [^\n]*\nvfolder: [^\n]*\n$/);
      await writeFile(leaf, 'hello');
      expect(await runAdmin(fresh, 'restore', target)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await database.drop();
    }
  }, 120_000);
});
