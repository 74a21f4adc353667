import type { Answer, CallOptions, Client } from './http-client.ts';

/** `Upload-Metadata` of these values. */
export function metadataOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',');
}

/** A request of the tus protocol. Headers given win; an empty one is left out. */
export function tus(
  client: Client,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  return client.call(method, path, { ...options, headers: { 'Tus-Resumable': '1.0.0', ...options.headers } });
}

/** Sends bytes of an upload at an offset. */
export function patch(
  client: Client,
  path: string,
  offset: number,
  body: NonNullable<CallOptions['body']>,
  options: { readonly method?: string; readonly headers?: CallOptions['headers'] } = {},
): Promise<Answer> {
  return tus(client, options.method ?? 'PATCH', path, {
    body,
    headers: {
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Offset': String(offset),
      ...options.headers,
    },
  });
}

/** Where an upload stands. Throws unless it is there. */
export async function offsetOf(client: Client, path: string): Promise<number> {
  const answer = await tus(client, 'HEAD', path);
  if (answer.status !== 200) throw new Error(`The upload answers ${answer.status}.`);
  return Number(answer.headers['upload-offset']);
}
