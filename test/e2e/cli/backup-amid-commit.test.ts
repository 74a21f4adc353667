import { copyFile, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cloneDatabase, openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { textAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, createUser, type TestFolder, type TestUser, upload } from '../support/users.ts';
import { elsewhere, runAdmin, startRestored } from './restored.ts';

const setting = '/admin/queue-settings/upload.local?is_paused=';

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
  expect((await service.administrator.call('PATCH', `${setting}true`)).status).toBe(200);
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

it.each([
  { name: 'still staged as well', place: copyFile },
  { name: 'staged no more', place: rename },
])(
  'counts files once that a restore finds in their places and $name',
  async ({ place }) => {
    const folder = await createFolder(owner.client);
    const jobId = await stopCommit(folder, place);
    const target = join(dir.path, `backup-${folder.id}`);
    const saved = await runAdmin(service.env, 'backup', target);
    await service.administrator.call('PATCH', `${setting}false`);
    expect(saved).toMatchObject({ code: 0, stderr: '' });

    const database = await cloneDatabase();
    try {
      const home = join(dir.path, `restored-${folder.id}`);
      const env = elsewhere(service, home, { DATABASE_URL: database.url });
      expect(await runAdmin(env, 'restore', target)).toMatchObject({ code: 0, stderr: '' });
      const started = await startRestored(env);
      try {
        // A measurement after the job would hide what the job counted.
        await started.client(service.admin).call('PATCH', '/admin/queue-settings/quota.local?is_paused=true');
        await started.client(service.admin).call('PATCH', `${setting}false`);
        const client = started.client(owner.keypair);
        await eventually(
          async () => {
            const job = await client.call('GET', `/jobs/${jobId}`);
            expect(textAt(job.json, 'state')).toBe('succeeded');
          },
          { timeoutMs: 60_000 },
        );
        const volume = join(home, 'volume');
        const tree = await treeUsage(volume, folder.id);
        expect(tree.data).toEqual({ bytes: 20, files: 2 });
        expect(await readUsage(client, folder.name)).toMatchObject({
          live: tree.data,
          reserved: { bytes: 0, files: 0 },
        });
        expect(await readdir(join(folderDir(volume, folder.id), 'stage'))).toEqual([]);
      } finally {
        await started.process.stop(30_000);
      }
    } finally {
      await database.drop();
    }
  },
  120_000,
);
