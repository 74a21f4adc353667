import { randomBytes } from 'node:crypto';
import { type Client, pathOf } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import type { TestFolder } from '../support/users.ts';

/** Makes a folder with a unique name on a volume. */
export async function createFolderOn(client: Client, host: string): Promise<TestFolder> {
  const name = `on-${host}-${randomBytes(5).toString('hex')}`;
  const answer = await client.call('POST', '/folders', { json: { name, host } });
  if (answer.status !== 201) throw new Error(`The folder cannot be made: ${answer.text}`);
  return {
    id: textAt(answer.json, 'id'),
    name,
    path: (...segments) => pathOf('folders', name, ...segments),
  };
}
