import type { VFolderClient } from '../../client/client.ts';
import { ConnectionError, ReplyError } from '../../client/errors.ts';
import type { Reply } from '../../client/exchange.ts';
import type { Place } from '../../client/files.ts';
import { openPatience, usualRetries } from '../../client/retry.ts';

/** Bytes of a file and where they belong. */
export interface ContentPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Where to begin, and which content that was part of. */
export interface ReadOptions {
  readonly start?: number;
  readonly etag?: string | undefined;
  readonly signal: AbortSignal;
  /** Hears which content is being sent, and from where on. */
  readonly onOpen?: (content: {
    readonly etag: string | undefined;
    readonly offset: number;
  }) => Promise<void>;
}

interface Opened {
  readonly response: Reply;
  readonly offset: number;
  /** Bytes of the whole file. */
  readonly sizeBytes: number;
  readonly etag: string | undefined;
}

async function openAt(
  client: VFolderClient,
  place: Place,
  from: { readonly start: number; readonly etag: string | undefined; readonly signal: AbortSignal },
): Promise<Opened | undefined> {
  const response = await client.files.open(place, from);
  const { headers, status } = response;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get('content-range') ?? '');
  if (status === 416) {
    response.discard();
    if (Number(range?.[2]) === from.start) return undefined;
    return openAt(client, place, { ...from, start: 0, etag: undefined });
  }
  const isPart = status === 206;
  if (isPart && Number(range?.[1]) !== from.start)
    throw new ReplyError('The service sent another part of the file.');
  return {
    response,
    offset: isPart ? from.start : 0,
    sizeBytes: isPart ? Number(range?.[2]) : Number(headers.get('content-length') ?? Number.NaN),
    etag: headers.get('etag') ?? undefined,
  };
}

/**
 * Reads a file to its end, going on where it broke off. When the content changed meanwhile, pieces begin at 0 again.
 * @throws ConnectionError when it breaks off for good
 */
export async function* readContent(
  client: VFolderClient,
  place: Place,
  { start = 0, signal, onOpen, ...options }: ReadOptions,
): AsyncGenerator<ContentPiece> {
  const patience = openPatience(usualRetries, signal);
  let { etag } = options;
  let offset = start;
  for (;;) {
    const opened = await openAt(client, place, { start: offset, etag, signal });
    if (opened === undefined) return;
    ({ offset, etag } = opened);
    await onOpen?.({ etag, offset });
    const broken = yield* readPieces(opened, signal, (bytes) => {
      offset += bytes;
      patience.refill();
    });
    if (offset === opened.sizeBytes) return;
    if (!(await patience.wait())) throw new ConnectionError('The download broke off.', broken);
  }
}

/** @returns why the body broke off; `undefined` at its end */
async function* readPieces(
  { response, offset }: Opened,
  signal: AbortSignal,
  onPiece: (bytes: number) => void,
): AsyncGenerator<ContentPiece, unknown> {
  let at = offset;
  try {
    for await (const bytes of response.body) {
      yield { offset: at, bytes };
      at += bytes.byteLength;
      onPiece(bytes.byteLength);
    }
    return undefined;
  } catch (error) {
    if (signal.aborted) throw error;
    return error;
  }
}
