import { Readable } from 'node:stream';
import { listFileCrcs } from '../../../db/queries/file-digests.ts';
import { type EntryPath, formatEntryPath, parseEntryPath } from '../../../domain/entry-path.ts';
import { domainError } from '../../../domain/errors.ts';
import type { EntryStat, SkippedEntry, Volume, WalkedEntry } from '../../../storage/volume.ts';
import { folderVolume, loadFolder } from '../../authorize.ts';
import { mayReadFolder, type Reader } from '../../downloads/operations.ts';
import { sendBody } from '../../http/send-body.ts';
import type { RawExchange } from '../../http/send-file.ts';
import { watchAccess } from '../../http/watch-access.ts';
import type { Services } from '../../services.ts';
import { presentWalked } from './schemas.ts';

/** Entries whose lines are sent together. */
const pieceEntries = 128;
/** As many as are looked up in one statement. */
const pieceEntriesWithDigests = 1_000;
/** Entries that cannot be handed out, kept between two that can; the rest of them is only counted. */
const skippedKeptMax = 10_000;

interface Tree {
  readonly volume: Volume;
  readonly folderId: string;
  readonly path: EntryPath;
  /** The CRC-32 of what is as it was uploaded, by version; without it no digests are told. */
  readonly findCrcs: ((files: readonly EntryStat[]) => Promise<ReadonlyMap<string, number>>) | undefined;
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

type Described = Pick<WalkedEntry, 'path' | 'stat'>;

function lineOf({ path, stat }: Described, digest: object): string {
  return `${JSON.stringify({ path: path.join('/'), ...presentWalked(stat), ...digest })}\n`;
}

/** The lines of a piece, in its order; what is a line already stays one. */
async function describePiece(
  piece: readonly (Described | string)[],
  { findCrcs }: Pick<Tree, 'findCrcs'>,
): Promise<Buffer> {
  const files = piece.flatMap((part) =>
    typeof part !== 'string' && part.stat.kind === 'file' ? [part.stat] : [],
  );
  const crcs = await findCrcs?.(files);
  const digestOf = ({ kind, version }: EntryStat): object => {
    if (crcs === undefined || kind !== 'file') return {};
    return { crc32: crcs.get(version)?.toString(16).padStart(8, '0') ?? null };
  };
  const lines = piece.map((part) => (typeof part === 'string' ? part : lineOf(part, digestOf(part.stat))));
  return Buffer.from(lines.join(''));
}

async function* linesOf(tree: Tree, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { volume, folderId, path } = tree;
  const skipped = gatherSkipped();
  const most = tree.findCrcs === undefined ? pieceEntries : pieceEntriesWithDigests;
  let piece: (Described | string)[] = [];
  for await (const entry of volume.walk(folderId, path, { signal, onSkip: skipped.onSkip })) {
    const lines = skipped.takeLines();
    if (lines !== '') piece.push(lines);
    // The directory that was asked for is handed out as well.
    if (entry.path.length > path.length) piece.push({ path: entry.path, stat: entry.stat });
    if (piece.length < most) continue;
    yield describePiece(piece, tree);
    piece = [];
  }
  yield describePiece([...piece, skipped.takeLines()], tree);
}

/**
 * Answers with everything below a directory as NDJSON, one entry a line, depth first, names in byte order, while it is
 * walked: memory does not grow with the tree. With `digests` the CRC-32 of every file that is as it was uploaded. Needs `read`, and as long as it lasts; an answer that cannot be completed is
 * cut, never ended.
 * @throws not_found, path_invalid, entry_not_found (also for a file), before the first line
 */
export async function sendTree(
  services: Services,
  exchange: RawExchange,
  request: Reader & {
    readonly nameOrId: string;
    readonly path: string;
    readonly digests: boolean;
  },
): Promise<'sent'> {
  const { userId, accessKey, nameOrId, digests } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  const volume = folderVolume(services, folder);
  const path = parseEntryPath(request.path, 'read');
  const start = await volume.stat(folder.id, path);
  if (start?.kind !== 'directory') {
    throw domainError('entry_not_found', `No directory has the path "${formatEntryPath(path)}".`);
  }
  const reader = { userId, accessKey, folderId: folder.id };
  const access = watchAccess(() => mayReadFolder(services, reader), exchange.signal);
  try {
    const { outgoing } = exchange;
    outgoing.writeHead(200, { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'private, no-store' });
    const findCrcs = (files: readonly EntryStat[]) =>
      listFileCrcs(services.db, { folderId: folder.id, files });
    const tree = { volume, folderId: folder.id, path, findCrcs: digests ? findCrcs : undefined };
    const source = Readable.from(linesOf(tree, access.signal));
    await sendBody({ source, outgoing, signal: access.signal });
    return 'sent';
  } finally {
    access.end();
  }
}
