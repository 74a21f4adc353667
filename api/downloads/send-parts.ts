import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { formatEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { attachment } from '../http/content-disposition.ts';
import { sendBody } from '../http/send-body.ts';
import { admitWhole, endsWithHead, type RawExchange } from '../http/send-file.ts';
import { watchAccess } from '../http/watch-access.ts';
import type { Selection } from './operations.ts';
import { wholeContent } from './whole-content.ts';

/** How the bytes of each part are written; clients of one generation cannot read the other's. */
export type PartEncoding = 'gzip' | 'identity';

async function* encoded(file: OpenFile, encoding: PartEncoding): AsyncGenerator<Uint8Array> {
  if (encoding === 'identity') {
    yield* wholeContent(file);
    return;
  }
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  // Destroys both sides when either fails; the loop below then throws what failed.
  const feeding = pipeline(wholeContent(file), gzip);
  feeding.catch(() => undefined);
  const chunks: AsyncIterable<Uint8Array> = gzip;
  yield* chunks;
  await feeding;
}

async function* mixedParts(
  { folder, volume, entries }: Selection,
  { boundary, encoding }: { readonly boundary: string; readonly encoding: PartEncoding },
): AsyncGenerator<Uint8Array> {
  for (const { path } of entries) {
    const file = await volume.open(folder.id, path);
    try {
      const head = [
        `--${boundary}`,
        'Content-Type: application/octet-stream',
        `Content-Encoding: ${encoding}`,
        `Content-Disposition: ${attachment(formatEntryPath(path))}`,
      ];
      yield Buffer.from(`${head.join('\r\n')}\r\n\r\n`);
      yield* encoded(file, encoding);
      yield Buffer.from('\r\n');
    } finally {
      await file.close();
    }
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

/**
 * Answers with one part per file, in the order asked for, each under its last path component (RFC 2046 §5.1.3).
 * `X-TOTAL-PAYLOADS-LENGTH` is the sum of the sizes as of the start; clients show their progress by it.
 * @throws entry_not_regular when a directory is among the entries, before anything is sent
 */
export async function sendParts(
  exchange: RawExchange,
  selection: Selection,
  encoding: PartEncoding,
): Promise<void> {
  const { outgoing } = exchange;
  if (selection.entries.some(({ stat }) => stat.kind !== 'file')) {
    throw domainError('entry_not_regular', 'Only regular files can be sent as parts; ask for an archive.');
  }
  await admitWhole(exchange, selection);
  const boundary = randomBytes(16).toString('hex');
  const totalBytes = selection.entries.reduce((sum, { stat }) => sum + stat.sizeBytes, 0);
  outgoing.writeHead(200, {
    'Content-Type': `multipart/mixed; boundary=${boundary}`,
    'X-Total-Payloads-Length': totalBytes,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'sandbox',
    'Cache-Control': 'private, no-store',
  });
  if (endsWithHead(exchange)) return;
  const access = watchAccess(selection.mayRead, exchange.signal);
  try {
    const source = Readable.from(mixedParts(selection, { boundary, encoding }), { objectMode: false });
    await sendBody({ source, outgoing, signal: access.signal, unsentBytes: exchange.unsentBytes });
  } finally {
    access.end();
  }
}
