import type { Answer, CallOptions, Client } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';
import { expectStatus } from './rules.ts';
import type { FolderOfAda } from './stage.ts';

/** A link as it was made. */
export interface MadeLink {
  readonly id: string;
  readonly token: string;
  /** The path of its url. */
  readonly path: string;
}

/** Asks for a link to a folder of ada's. */
export function askForLink(own: FolderOfAda, wanted: object, by: Client = own.ada): Promise<Answer> {
  const json = { folder: own.folder.id, path: '', kind: 'download', expires_in: 3_600, ...wanted };
  return by.call('POST', '/links', { json });
}

/** Makes a link to a folder of ada's. */
export async function makeLink(own: FolderOfAda, wanted: object = {}, by?: Client): Promise<MadeLink> {
  const answer = await askForLink(own, wanted, by);
  expectStatus(answer, 201);
  const token = textAt(answer.json, 'token');
  return { id: textAt(answer.json, 'id'), token, path: `/l/${token}` };
}

/** The header that carries the password of a link. */
export function withPassword(password: string): CallOptions {
  return { headers: { Authorization: `Basic ${Buffer.from(`:${password}`).toString('base64')}` } };
}
