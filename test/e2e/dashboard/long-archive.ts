import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../support/http-client.ts';
import { jobIdIn } from '../support/jobs.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createFolder, upload } from '../support/users.ts';

/** Minutes of packing, and no space on the disk: the length of a file that is one hole. */
const holeBytes = 64 * 2 ** 30;

/** Asks for an archive that takes long enough to be looked at. @returns the id of its job, to be cancelled */
export async function startLongArchive(client: Client, volumeRoot: string): Promise<string> {
  const folder = await createFolder(client);
  await upload(client, folder, { large: 'content' });
  await truncate(join(folderDir(volumeRoot, folder.id), 'data', 'large'), holeBytes);
  const asked = await client.call('POST', folder.path('archives'), { json: { files: ['large'] } });
  return jobIdIn(asked.headers);
}
