import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { formatEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { attachment } from '../http/content-disposition.ts';
import { sendBody } from '../http/send-body.ts';
import type { RawExchange } from '../http/send-file.ts';
import { watchAccess } from '../http/watch-access.ts';
import type { Selection } from './operations.ts';
import { wholeContent } from './whole-content.ts';

async function* mixedParts(
  { folder, volume, entries }: Selection,
  boundary: string,
): AsyncGenerator<Uint8Array> {
  for (const { path } of entries) {
    const file = await volume.open(folder.id, path);
    try {
      const head = [
        `--${boundary}`,
        'Content-Type: application/octet-stream',
        'Content-Encoding: identity',
        `Content-Disposition: ${attachment(formatEntryPath(path))}`,
      ];
      yield Buffer.from(`${head.join('\r\n')}\r\n\r\n`);
      yield* wholeContent(file);
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
export async function sendParts(exchange: RawExchange, selection: Selection): Promise<void> {
  const { outgoing } = exchange;
  if (selection.entries.some(({ stat }) => stat.kind !== 'file')) {
    throw domainError('entry_not_regular', 'Only regular files can be sent as parts; ask for an archive.');
  }
  const boundary = randomBytes(16).toString('hex');
  const totalBytes = selection.entries.reduce((sum, { stat }) => sum + stat.sizeBytes, 0);
  outgoing.writeHead(200, {
    'Content-Type': `multipart/mixed; boundary=${boundary}`,
    'X-Total-Payloads-Length': totalBytes,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'sandbox',
    'Cache-Control': 'private, no-store',
  });
  const access = watchAccess(selection.mayRead, exchange.signal);
  try {
    const source = Readable.from(mixedParts(selection, boundary), { objectMode: false });
    await sendBody({ source, outgoing, signal: access.signal });
  } finally {
    access.end();
  }
}
