import { type Duplex, PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { ArchiveFormat } from '../../storage/archive/entry-fields.ts';
import { writeArchive } from '../../storage/archive/write-archive.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { acceptsExactly, refusesGzip } from '../http/accept.ts';
import { sendBody } from '../http/send-body.ts';
import { admitWhole, contentHeaders, endsWithHead, type RawExchange, sendFile } from '../http/send-file.ts';
import { watchAccess } from '../http/watch-access.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Services } from '../services.ts';
import { contentTypes } from './content-types.ts';
import type { Selection } from './operations.ts';
import { sendKnownZip } from './send-known-zip.ts';
import { sendParts } from './send-parts.ts';
import { wholeContent } from './whole-content.ts';

const bufferBytes = 256 * 1024;

/** How a body is produced: `produce` writes into `through` and ends or destroys it. */
interface ProducedBody {
  readonly through: Duplex;
  produce(signal: AbortSignal): Promise<unknown>;
}

/** Sends what is produced on the way, for as long as the caller may read it. @throws what producing fails with */
async function sendProduced(exchange: RawExchange, selection: Selection, body: ProducedBody): Promise<void> {
  const access = watchAccess(selection.mayRead, exchange.signal);
  try {
    const [sent, produced] = await Promise.allSettled([
      sendBody({
        source: body.through,
        outgoing: exchange.outgoing,
        signal: access.signal,
        unsentBytes: exchange.unsentBytes,
      }),
      body.produce(access.signal),
    ]);
    // A reader that went away makes producing fail too; that is nobody's fault.
    if (sent.status === 'fulfilled' && !sent.value) return;
    if (produced.status === 'rejected') throw produced.reason;
    if (sent.status === 'rejected') throw sent.reason;
  } finally {
    access.end();
  }
}

function baseName(selection: Selection): string {
  const [first, ...others] = selection.entries;
  return (others.length === 0 ? first?.path.at(-1) : undefined) ?? selection.folder.name;
}

async function sendGzippedFile(exchange: RawExchange, selection: Selection, file: OpenFile): Promise<void> {
  try {
    await admitWhole(exchange, selection);
    exchange.outgoing.writeHead(200, {
      ...contentHeaders({ contentType: 'application/octet-stream', fileName: baseName(selection) }),
      'Content-Encoding': 'gzip',
      Vary: 'Accept-Encoding',
    });
    if (endsWithHead(exchange)) return;
    const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: bufferBytes });
    await sendProduced(exchange, selection, {
      through: gzip,
      produce: (signal) => pipeline(wholeContent(file), gzip, { signal }),
    });
  } finally {
    await file.close();
  }
}

/** `encoding` gzip is the documented form: a tar whose gzip layer belongs to the transfer, not to the file. */
async function sendArchive(
  exchange: RawExchange,
  selection: Selection,
  form: { readonly format: ArchiveFormat; readonly encoding: 'gzip' | 'identity' },
): Promise<void> {
  const { folder, volume, entries } = selection;
  const { format, encoding } = form;
  await admitWhole(exchange, selection);
  exchange.outgoing.writeHead(200, {
    ...contentHeaders({
      contentType: contentTypes[format],
      fileName: selection.saveAs ?? `${baseName(selection)}.${format}`,
    }),
    'Cache-Control': 'private, no-store',
    ...(encoding === 'gzip' ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {}),
  });
  if (endsWithHead(exchange)) return;
  const through = new PassThrough({ highWaterMark: bufferBytes });
  await sendProduced(exchange, selection, {
    through,
    produce: (signal) =>
      writeArchive({
        volume,
        folderId: folder.id,
        paths: entries.map(({ path }) => path),
        // A gzip-encoded tar and a tar.gz are the same bytes; only the headers tell them apart.
        format: encoding === 'gzip' ? 'tar.gz' : format,
        sink: through,
        signal,
      }),
  });
}

async function sendOneFile(exchange: RawExchange, selection: Selection, plain: boolean): Promise<void> {
  const [entry] = selection.entries;
  if (entry === undefined) return;
  const file = await selection.volume.open(selection.folder.id, entry.path);
  if (!plain) {
    await sendGzippedFile(exchange, selection, file);
    return;
  }
  exchange.outgoing.setHeader('Vary', 'Accept-Encoding');
  await sendFile(exchange, {
    file,
    fileName: baseName(selection),
    contentType: 'application/octet-stream',
    mayRead: selection.mayRead,
    admit: selection.admit,
  });
}

/**
 * Answers a download: the named container, a zip with exact length and ranges where all checksums are known; parts for published clients and whoever accepts `multipart/mixed`; else the documented
 * gzip-encoded stream, of one file's bytes or of a tar. Gzip is left away only for callers that rule it out.
 * An answer that cannot be completed is cut, never ended.
 * @throws entry_not_found, entry_not_regular before the first byte
 */
export async function sendDownload(
  exchange: RawExchange,
  selection: Selection,
  wanted: {
    readonly format: ArchiveFormat | undefined;
    readonly profile: Profile;
    readonly services: Pick<Services, 'db'>;
  },
): Promise<'sent'> {
  const { format, profile, services } = wanted;
  const { accept, 'accept-encoding': acceptEncoding } = exchange.incoming.headers;
  const isPlain = refusesGzip(acceptEncoding);
  const isOneFile = selection.entries.length === 1 && selection.entries[0]?.stat.kind === 'file';
  if (format === 'zip') {
    const fileName = selection.saveAs ?? `${baseName(selection)}.zip`;
    if ((await sendKnownZip(services, exchange, selection, fileName)) === 'sent') return 'sent';
  }
  if (format !== undefined) await sendArchive(exchange, selection, { format, encoding: 'identity' });
  else if (profile.name === 'client') await sendParts(exchange, selection, profile.partEncoding);
  else if (acceptsExactly(accept, 'multipart/mixed')) await sendParts(exchange, selection, 'identity');
  else if (isOneFile) await sendOneFile(exchange, selection, isPlain);
  else await sendArchive(exchange, selection, { format: 'tar', encoding: isPlain ? 'identity' : 'gzip' });
  return 'sent';
}
