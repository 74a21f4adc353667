import { PassThrough, type Readable } from 'node:stream';
import { deleteFileDigests, listFileCrcs } from '../../db/queries/file-digests.ts';
import { type KnownZip, type KnownZipOrder, planKnownZip } from '../../storage/archive/known-zip.ts';
import { writeKnownZip } from '../../storage/archive/write-known-zip.ts';
import type { ByteRange } from '../http/byte-range.ts';
import { type RawExchange, sendContent } from '../http/send-file.ts';
import type { Services } from '../services.ts';
import { contentTypes } from './content-types.ts';
import type { Selection } from './operations.ts';

const bufferBytes = 1024 * 1024;

type DigestServices = Pick<Services, 'db'>;

function orderOf({ db }: DigestServices, { volume, folder, entries }: Selection): KnownZipOrder {
  return {
    volume,
    folderId: folder.id,
    paths: entries.map(({ path }) => path),
    findCrcs: (files) => listFileCrcs(db, { folderId: folder.id, files }),
  };
}

/** Makes the bytes of a range while they are read; what goes wrong destroys the stream. */
function open(
  services: DigestServices,
  selection: Selection,
  planned: { readonly order: KnownZipOrder; readonly zip: KnownZip; readonly span: ByteRange },
  signal: AbortSignal,
): Readable {
  const { order, zip, span } = planned;
  const through = new PassThrough({ highWaterMark: bufferBytes });
  const folderId = selection.folder.id;
  const onMismatch = (inodes: readonly string[]): void => {
    // What is not forgotten now is met again.
    deleteFileDigests(services.db, { folderId, inodes }).catch(() => undefined);
  };
  // The stream carries the failure to its reader.
  writeKnownZip({ ...order, zip, span, sink: through, signal, onMismatch }).catch(() => undefined);
  return through;
}

/**
 * Answers with a zip of stored files whose checksums are all known from their uploads: exact length, strong ETag, ranges,
 * and nothing on the disk. Anything that changes while it is sent cuts the answer.
 * @returns `null` when the zip cannot be known in advance; then nothing is sent
 * @throws precondition_failed, range_not_satisfiable before anything is sent
 */
export async function sendKnownZip(
  services: DigestServices,
  exchange: RawExchange,
  selection: Selection,
  fileName: string,
): Promise<'sent' | null> {
  const order = orderOf(services, selection);
  const look = () => planKnownZip(order, exchange.signal);
  const zip = await (selection.plan?.(look) ?? look());
  if (zip === null) return null;
  return await sendContent(exchange, {
    fileName,
    contentType: contentTypes.zip,
    mayRead: selection.mayRead,
    admit: selection.admit,
    etag: `"${zip.digest}"`,
    sizeBytes: zip.sizeBytes,
    open: (span, signal) => open(services, selection, { order, zip, span }, signal),
  });
}
