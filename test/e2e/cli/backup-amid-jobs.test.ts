import { copyFile, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cloneDatabase, openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import type { Client } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, type TestFolder, type TestUser, upload } from '../support/users.ts';
import { elsewhere, runAdmin, startRestored } from './restored.ts';

const settingOf = (work: string) => `/admin/queue-settings/${work}.local?is_paused=`;

let dir: TempDir;
let service: Service;
let owner: TestUser;
beforeAll(async () => {
  dir = await createTempDir();
  service = await startService({ backend: 'postgres', workers: 1 });
  owner = await createUser(service, 'owner');
});
afterAll(async () => {
  await service.stop();
  await dir.remove();
});

/** Leaves an upload of `new/file` and `old` as a worker does that is between its renames and the end of its job. */
async function stopCommit(
  folder: TestFolder,
  place: (stage: string, target: string) => Promise<void>,
): Promise<string> {
  await upload(owner.client, folder, { old: 'before' });
  expect((await service.administrator.call('PATCH', `${settingOf('upload')}true`)).status).toBe(200);
  const accepted = await owner.client.call('POST', folder.path('upload'), {
    parts: [
      { fileName: 'new/file', bytes: Buffer.from('a new file') },
      { fileName: 'old', bytes: Buffer.from('afterwards') },
    ],
    headers: { Prefer: 'respond-async' },
  });
  expect(accepted.status).toBe(202);
  const sql = openSql(service.databaseUrl);
  try {
    const noted = await sql`
      UPDATE upload_files SET replaced_bytes = CASE path WHEN 'old' THEN 6 ELSE 0 END,
        replaced_files = CASE path WHEN 'old' THEN 1 ELSE 0 END
      FROM uploads WHERE uploads.id = upload_id AND folder_id = ${folder.id}::uuid AND state = 'staged'`;
    expect(noted.count).toBe(2);
  } finally {
    await sql.end();
  }
  const root = folderDir(service.volumeRoot, folder.id);
  await mkdir(join(root, 'data', 'new'));
  for (const name of await readdir(join(root, 'stage'))) {
    const stage = join(root, 'stage', name);
    const isNew = (await readFile(stage, 'utf8')) === 'a new file';
    await place(stage, join(root, 'data', isNew ? 'new/file' : 'old'));
  }
  return textAt(accepted.json, 'id');
}

/** What a restored installation is asked. */
interface Restored {
  readonly client: Client;
  /** Root of its volume. */
  readonly volume: string;
  letGo(work: string): Promise<void>;
}

/** Backs the service up, restores it elsewhere, starts that and looks at it. Measurements wait: they would hide what jobs count. */
async function lookAtRestored(
  name: string,
  look: (restored: Restored) => Promise<void>,
  whileBackedUp: () => Promise<void> = async () => undefined,
): Promise<void> {
  const target = join(dir.path, `backup-${name}`);
  const saving = runAdmin(service.env, 'backup', target);
  await whileBackedUp();
  expect(await saving).toMatchObject({ code: 0, stderr: '' });
  const database = await cloneDatabase();
  try {
    const home = join(dir.path, `restored-${name}`);
    const env = elsewhere(service, home, { DATABASE_URL: database.url });
    expect(await runAdmin(env, 'restore', target)).toMatchObject({ code: 0, stderr: '' });
    const started = await startRestored(env);
    try {
      const administrator = started.client(service.admin);
      await administrator.call('PATCH', `${settingOf('quota')}true`);
      const client = started.client(owner.keypair);
      const letGo = async (work: string) => {
        await administrator.call('PATCH', `${settingOf(work)}false`);
      };
      await look({ client, volume: join(home, 'volume'), letGo });
    } finally {
      await started.process.stop(30_000);
    }
  } finally {
    await database.drop();
  }
}

async function succeeded(client: Client, jobId: string): Promise<void> {
  const look = async () => {
    expect((await client.call('GET', `/jobs/${jobId}`)).json).toMatchObject({ state: 'succeeded' });
  };
  await eventually(look, { timeoutMs: 60_000 });
}

it.each([
  { name: 'still staged as well', place: copyFile },
  { name: 'staged no more', place: rename },
])(
  'counts files once that a restore finds in their places and $name',
  async ({ place }) => {
    const folder = await createFolder(owner.client);
    const jobId = await stopCommit(folder, place);
    await lookAtRestored(folder.id, async ({ client, volume, letGo }) => {
      await letGo('upload');
      await succeeded(client, jobId);
      const tree = await treeUsage(volume, folder.id);
      expect(tree.data).toEqual({ bytes: 20, files: 2 });
      const reserved = { bytes: 0, files: 0 };
      expect(await readUsage(client, folder.name)).toMatchObject({ live: tree.data, reserved });
      expect(await readdir(join(folderDir(volume, folder.id), 'stage'))).toEqual([]);
    });
    await service.administrator.call('PATCH', `${settingOf('upload')}false`);
  },
  120_000,
);

it('begins a copy anew whose tree was staged, for staged trees are not in the backup', async () => {
  const folder = await createFolder(owner.client);
  await upload(owner.client, folder, { 'from/file': 'content' });
  expect((await service.administrator.call('PATCH', `${settingOf('copy')}true`)).status).toBe(200);
  const asked = await owner.client.call('POST', folder.path('copy'), {
    json: { src: 'from', dst: 'to' },
    headers: { Prefer: 'respond-async' },
  });
  expect(asked.status).toBe(202);
  const jobId = textAt(asked.json, 'id');
  const staged = { to: 'to', inode: '1', bytes: 7, files: 1, directories: 1, skipped: [], skippedCount: 0 };
  const sql = openSql(service.databaseUrl);
  try {
    await sql`UPDATE jobs SET checkpoint = ${JSON.stringify(staged)}::text::jsonb WHERE id = ${jobId}::uuid`;
    await sql`INSERT INTO copies VALUES (${jobId}::uuid, ${folder.id}::uuid, 7, 1, 1)`;
    await sql`
      UPDATE folders SET reserved_bytes = 7, reserved_files = 1, directories = directories + 1
      WHERE id = ${folder.id}::uuid`;
  } finally {
    await sql.end();
  }
  await lookAtRestored(folder.id, async ({ client, volume, letGo }) => {
    await letGo('copy');
    await succeeded(client, jobId);
    const tree = await treeUsage(volume, folder.id);
    expect(tree.data).toEqual({ bytes: 14, files: 2 });
    const usage = await client.call('GET', folder.path('usage'));
    expect(usage.json).toMatchObject({
      live: tree.data,
      reserved: { bytes: 0, files: 0 },
      directories: { held: 2 },
    });
  });
}, 120_000);

/** Lets a backup read its rows up to a table that nobody needs, does `work`, and lets it go on. */
async function betweenRowsAndFiles(work: () => Promise<void>): Promise<void> {
  const sql = openSql(service.databaseUrl);
  const watch = openSql(service.databaseUrl);
  try {
    await sql.begin(async (tx) => {
      await tx`LOCK TABLE transfer_token_counts IN ACCESS EXCLUSIVE MODE`;
      await eventually(
        async () => {
          const waiting = await watch`
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'vfolder-backup' AND wait_event_type = 'Lock'`;
          expect(waiting.length).toBe(1);
        },
        { timeoutMs: 30_000 },
      );
      await work();
    });
  } finally {
    await sql.end();
    await watch.end();
  }
}

it.each(['finished', 'given up'])(
  'is whole with an upload that was being received when the rows were read, and %s before the files were',
  async (end) => {
    const folder = await createFolder(owner.client);
    const metadata = metadataOf({ folder: folder.name, path: 'late' });
    const headers = { 'Upload-Length': '20', 'Upload-Metadata': metadata };
    const made = await tus(owner.client, 'POST', '/uploads', { headers });
    const { pathname } = new URL(made.headers.location ?? '', 'http://service');
    expect((await patch(owner.client, pathname, 0, Buffer.from('0123456789'))).status).toBe(204);
    const endUpload = async () => {
      const answer =
        end === 'finished'
          ? await patch(owner.client, pathname, 10, Buffer.from('0123456789'))
          : await tus(owner.client, 'DELETE', pathname);
      expect(answer.status).toBe(204);
    };
    const look = async ({ client, volume }: Restored) => {
      expect((await tus(client, 'HEAD', pathname)).status).toBe(410);
      const tree = await treeUsage(volume, folder.id);
      expect(tree.data.files).toBe(end === 'finished' ? 1 : 0);
      const isFree = async () => {
        const reserved = { bytes: 0, files: 0 };
        expect(await readUsage(client, folder.name)).toMatchObject({ live: tree.data, reserved });
      };
      await eventually(isFree, { timeoutMs: 90_000 });
    };
    await lookAtRestored(folder.id, look, () => betweenRowsAndFiles(endUpload));
  },
  180_000,
);

it('ends an upload well that waited for its commit when the rows were read, and was in place before the files were', async () => {
  const folder = await createFolder(owner.client);
  await upload(owner.client, folder, { old: 'before' });
  const pause = (isPaused: boolean) =>
    service.administrator.call('PATCH', `${settingOf('upload')}${isPaused}`);
  expect((await pause(true)).status).toBe(200);
  const accepted = await owner.client.call('POST', folder.path('upload'), {
    parts: [
      { fileName: 'new/file', bytes: Buffer.from('a new file') },
      { fileName: 'old', bytes: Buffer.from('afterwards') },
    ],
    headers: { Prefer: 'respond-async' },
  });
  const jobId = textAt(accepted.json, 'id');
  const commit = async () => {
    expect((await pause(false)).status).toBe(200);
    await succeeded(owner.client, jobId);
  };
  const look = async ({ client, volume, letGo }: Restored) => {
    await letGo('upload');
    await succeeded(client, jobId);
    const tree = await treeUsage(volume, folder.id);
    expect(tree.data).toEqual({ bytes: 20, files: 2 });
    const reserved = { bytes: 0, files: 0 };
    expect(await readUsage(client, folder.name)).toMatchObject({ live: tree.data, reserved });
  };
  await lookAtRestored(folder.id, look, () => betweenRowsAndFiles(commit));
}, 180_000);

it.each(['queued', 'failed'] as const)(
  'counts trash that is not in the backup for as long as its purge gives it back: one that is %s',
  async (state) => {
    const folder = await createFolder(owner.client);
    await upload(owner.client, folder, { 'kept/file': 'content', 'gone/deep/file': 'trash' });
    expect((await service.administrator.call('PATCH', `${settingOf('delete')}true`)).status).toBe(200);
    const json = { files: ['gone'], recursive: true };
    expect((await owner.client.call('DELETE', folder.path('delete_files'), { json })).status).toBe(200);
    // As a worker leaves it that has counted the trash and not freed it.
    const checkpoint = { measured: { bytes: 5, files: 1, directories: 2 }, entries: null };
    const sql = openSql(service.databaseUrl);
    try {
      const counted = await sql`
        UPDATE jobs SET checkpoint = ${JSON.stringify(checkpoint)}::text::jsonb, state = ${state},
          finished_at = CASE WHEN ${state}::text = 'failed' THEN now() END
        WHERE kind = 'trash.purge' AND folder_id = ${folder.id}::uuid AND state = 'queued'`;
      expect(counted.count).toBe(1);
      await sql`
        UPDATE folders SET used_bytes = used_bytes - 5, used_files = used_files - 1, trash_bytes = 5, trash_files = 1
        WHERE id = ${folder.id}::uuid`;
    } finally {
      await sql.end();
    }
    await lookAtRestored(folder.id, async ({ client, letGo }) => {
      await letGo('delete');
      const isFreed = async () => {
        const usage = await client.call('GET', folder.path('usage'));
        expect(usage.json).toMatchObject({
          live: { bytes: 7, files: 1 },
          trash: { bytes: 0, files: 0 },
          directories: { held: 1 },
        });
      };
      await eventually(isFreed, { timeoutMs: 60_000 });
    });
    await service.administrator.call('PATCH', `${settingOf('delete')}false`);
  },
  180_000,
);
