import { type CallOptions, type Client, pathOf } from '../support/http-client.ts';
import { metadataOf, tus } from '../support/tus.ts';
import { expectStatus } from './rules.ts';
import type { FolderOfAda } from './stage.ts';

/** Begins an upload into ada's folder. @returns its path */
export async function create(
  own: FolderOfAda,
  length: number | 'deferred',
  options: { path?: string; headers?: Record<string, string>; body?: CallOptions['body'] } = {},
): Promise<string> {
  const answer = await tus(own.ada, 'POST', '/uploads', {
    headers: {
      'Upload-Metadata': metadataOf({ folder: own.folder.name, path: options.path ?? 'file.bin' }),
      ...(length === 'deferred' ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(length) }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  expectStatus(answer, 201);
  return String(answer.headers.location);
}

/** The bytes of a file. */
export async function read(client: Client, own: FolderOfAda, path: string): Promise<Buffer> {
  const answer = await client.call('GET', own.folder.path('files') + pathOf(...path.split('/')));
  expectStatus(answer, 200);
  return answer.bytes;
}
