import { Readable } from 'node:stream';
import { type EntryPath, formatEntryPath, parseEntryPath } from '../../../domain/entry-path.ts';
import { domainError } from '../../../domain/errors.ts';
import type { SkippedEntry, Volume, WalkedEntry } from '../../../storage/volume.ts';
import { folderVolume, loadFolder } from '../../authorize.ts';
import { mayReadFolder } from '../../downloads/operations.ts';
import { sendBody } from '../../http/send-body.ts';
import type { RawExchange } from '../../http/send-file.ts';
import { watchAccess } from '../../http/watch-access.ts';
import type { Services } from '../../services.ts';
import { presentWalked } from './schemas.ts';

/** Lines are sent in pieces of about this size. */
const pieceCharacters = 16 * 1024;
/** Entries that cannot be handed out, kept between two that can; the rest of them is only counted. */
const skippedKeptMax = 10_000;

interface Tree {
  readonly volume: Volume;
  readonly folderId: string;
  readonly path: EntryPath;
}

/** Keeps what a walk skips until the next line is due, in bounded memory. */
function gatherSkipped() {
  let kept: SkippedEntry[] = [];
  let omitted = 0;
  return {
    onSkip: (entry: SkippedEntry): void => {
      if (kept.length < skippedKeptMax) kept.push(entry);
      else omitted += 1;
    },
    takeLines: (): string => {
      const lines = kept.map(({ path, reason }) => `${JSON.stringify({ path, type: 'other', reason })}\n`);
      if (omitted > 0) lines.push(`${JSON.stringify({ omitted })}\n`);
      kept = [];
      omitted = 0;
      return lines.join('');
    },
  };
}

function lineOf(entry: WalkedEntry): string {
  return `${JSON.stringify({ path: entry.path.join('/'), ...presentWalked(entry.stat) })}\n`;
}

async function* linesOf({ volume, folderId, path }: Tree, signal: AbortSignal): AsyncGenerator<Buffer> {
  const skipped = gatherSkipped();
  let piece = '';
  for await (const entry of volume.walk(folderId, path, { signal, onSkip: skipped.onSkip })) {
    piece += skipped.takeLines();
    // The directory that was asked for is handed out as well.
    if (entry.path.length > path.length) piece += lineOf(entry);
    if (piece.length < pieceCharacters) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  yield Buffer.from(piece + skipped.takeLines());
}

/**
 * Answers with everything below a directory as NDJSON, one entry a line, depth first, names in byte order, while it is
 * walked: memory does not grow with the tree. Needs `read`, and as long as it lasts; an answer that cannot be completed is
 * cut, never ended.
 * @throws not_found, path_invalid, entry_not_found (also for a file), before the first line
 */
export async function sendTree(
  services: Services,
  exchange: RawExchange,
  request: { readonly userId: string; readonly nameOrId: string; readonly path: string },
): Promise<'sent'> {
  const { userId, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  const volume = folderVolume(services, folder);
  const path = parseEntryPath(request.path, 'read');
  const start = await volume.stat(folder.id, path);
  if (start?.kind !== 'directory') {
    throw domainError('entry_not_found', `No directory has the path "${formatEntryPath(path)}".`);
  }
  const access = watchAccess(() => mayReadFolder(services, { userId, folderId: folder.id }), exchange.signal);
  try {
    const { outgoing } = exchange;
    outgoing.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'private, no-store' });
    const source = Readable.from(linesOf({ volume, folderId: folder.id, path }, access.signal));
    await sendBody({ source, outgoing, signal: access.signal });
    return 'sent';
  } finally {
    access.end();
  }
}
