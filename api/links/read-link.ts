import type { z } from 'zod';
import { isLinkGood } from '../../db/queries/links.ts';
import { type EntryPath, formatEntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import { type SelectedEntry, selectEntries } from '../../storage/archive/select-entries.ts';
import type { ReadableVolume } from '../../storage/volume.ts';
import { volumeBelow } from '../../storage/volume-below.ts';
import { folderVolume } from '../authorize.ts';
import type { Selection } from '../downloads/operations.ts';
import { sendDownload } from '../downloads/send-download.ts';
import { listIn } from '../folders/files/operations.ts';
import { presentEntry } from '../folders/files/schemas.ts';
import { acceptsExactly } from '../http/accept.ts';
import { type Admit, sendFile } from '../http/send-file.ts';
import type { ApiRequest } from '../route.ts';
import type { LinkBounds } from './bounds.ts';
import type { linkListingBody, linkReadInput } from './schemas.ts';
import { countDownload, linkNotFound, type OpenLink, openLink } from './use-link.ts';

type ReadRequest = ApiRequest<z.infer<typeof linkReadInput>>;

/** An entry behind a link, in a volume that ends where the link leads to. */
interface Found {
  readonly opened: OpenLink;
  readonly volume: ReadableVolume;
  /** What the link leads to, seen from the folder. */
  readonly base: EntryPath;
  /** Below `base`. */
  readonly path: EntryPath;
  readonly entry: SelectedEntry;
}

/** @throws not_found when what the link leads to is gone; path_invalid, entry_not_found, entry_not_regular below it */
async function findEntry(request: ReadRequest, opened: OpenLink): Promise<Found> {
  const { link, folder } = opened;
  const path = parseEntryPath(request.params.path ?? '', 'read');
  const base = parseEntryPath(link.path, 'read');
  const volume = volumeBelow(folderVolume(request.services, folder), base);
  try {
    const [entry] = await selectEntries(volume, folder.id, [path]);
    if (entry === undefined) throw linkNotFound();
    return { opened, volume, base, path, entry };
  } catch (error) {
    const isGone = isDomainError(error, 'entry_not_found') || isDomainError(error, 'entry_not_regular');
    if (path.length === 0 && isGone) throw linkNotFound(error);
    throw error;
  }
}

async function readListing(
  { input }: ReadRequest,
  { opened, volume, path }: Found,
): Promise<z.infer<typeof linkListingBody>> {
  const { entries, nextCursor } = await listIn(volume, opened.folder.id, { ...input, path });
  return { path: formatEntryPath(path), items: entries.map(presentEntry), next_cursor: nextCursor };
}

/** A head is answered without a look over the tree, at the price of the length. */
function planOf({ incoming }: ReadRequest, { walks }: LinkBounds, { link }: OpenLink): Selection['plan'] {
  return incoming.method === 'HEAD' ? async () => null : (look) => walks.run(link.id, look);
}

async function sendFound(request: ReadRequest, bounds: LinkBounds, found: Found): Promise<'sent'> {
  const { opened, volume, base, path, entry } = found;
  const { folder, link } = opened;
  const { services } = request;
  const name = path.at(-1) ?? base.at(-1) ?? folder.name;
  const mayRead = () => isLinkGood(services.db, link.id);
  const admit: Admit = (content) =>
    countDownload(request, bounds, opened, { ...content, path: formatEntryPath(path) });
  if (entry.stat.kind === 'file') {
    return await sendFile(request, {
      file: await volume.open(folder.id, path),
      fileName: name,
      contentType: 'application/octet-stream',
      mayRead,
      admit,
    });
  }
  const plan = planOf(request, bounds, opened);
  const selection = { folder, volume, entries: [entry], mayRead, saveAs: `${name}.zip`, admit, plan };
  return await sendDownload(request, selection, { format: 'zip', profile: request.profile, services });
}

/**
 * Answers a GET or HEAD of a link: a file as any file is sent, a directory as a zip, or as a listing for those who accept
 * `application/json`. Neither a listing nor a head counts as a use.
 * @throws not_found, link_password_required, rate_limited, requests_busy; path_invalid, entry_not_found, entry_not_regular; and as
 *   `sendFile`
 */
export async function readByLink(request: ReadRequest, bounds: LinkBounds) {
  const found = await findEntry(request, await openLink(request, bounds, 'download'));
  const isListing =
    found.entry.stat.kind === 'directory' && acceptsExactly(request.headers.accept, 'application/json');
  if (!isListing) return await sendFound(request, bounds, found);
  const { id } = found.opened.link;
  return { status: 200, body: await bounds.walks.run(id, () => readListing(request, found)) } as const;
}
