import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { createFolder, upload } from '../support/users.ts';

/** A job that failed, and the way to let it succeed. */
export interface FailedJob {
  readonly id: string;
  /** Takes away what it failed for. */
  mend(): Promise<void>;
}

/** Makes an archive job fail for good by putting a file where the archive area of the volume has to be. */
export async function makeFailedJob(client: Client, volumeRoot: string): Promise<FailedJob> {
  const area = join(volumeRoot, 'a');
  const folder = await createFolder(client);
  await upload(client, folder, { a: 'content' });
  await rm(area, { recursive: true, force: true });
  await writeFile(area, 'in the way');
  const asked = await client.call('POST', folder.path('archives'), { json: { files: ['a'] } });
  const id = jobIdIn(asked.headers);
  const job = await awaitJob(client, id);
  if (job.state !== 'failed') throw new Error(`The job ${job.state} where it had to fail.`);
  return { id, mend: () => rm(area, { recursive: true, force: true }) };
}
