import { releaseClaims } from '../db/queries/path-claims.ts';
import { type CommitFile, renameUploadFiles, type UploadSession } from '../db/queries/uploads.ts';
import { type EntryPath, formatEntryPath, numberedPaths, parseEntryPath } from '../domain/entry-path.ts';
import { domainError } from '../domain/errors.ts';
import type { JobContext } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { claimJobPaths } from './claim-job-paths.ts';
import type { HandlerServices } from './services.ts';

/** Names that are looked at at a time; the volume takes them together. */
const parallelLooks = 32;
/** How often others may take a name between the look and the claim before the upload is refused. */
const roundsMax = 1_000;

/** One upload and what it takes to look for free names for its files. */
export interface Naming {
  readonly services: HandlerServices;
  readonly context: JobContext<'upload.commit'>;
  readonly volume: Volume;
  readonly upload: UploadSession;
}

/** A name that a file may get. */
interface Offer {
  readonly file: CommitFile;
  readonly path: EntryPath;
}

/** Answers with the next name for a file; nothing is offered twice. @throws entry_conflict, path_invalid */
type NextName = (file: CommitFile) => EntryPath;

function noFreeName({ path }: CommitFile): Error {
  return domainError('entry_conflict', `"${path}" exists, and so do too many of its numbered names.`);
}

/** All directories above the files. */
function directoriesOf(files: readonly CommitFile[]): Set<string> {
  const directories = new Set<string>();
  for (const { path } of files) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const directory = path.slice(0, cut);
      // Those above it are there, too.
      if (directories.has(directory)) break;
      directories.add(directory);
    }
  }
  return directories;
}

/**
 * Offers the names of one upload: to the first file that asks for a name that one, to others numbered ones, which are
 * neither asked for by another file nor a directory that one lies in. Files that ask for the same name share its numbers,
 * so that ten thousand of them do not each begin to count anew.
 */
function offerNames(files: readonly CommitFile[]): NextName {
  const directories = directoriesOf(files);
  const taken = new Set([...directories, ...files.map(({ path }) => path)]);
  const numbered = new Map<string, Iterator<EntryPath, void, undefined>>();
  return (file) => {
    const names = numbered.get(file.path) ?? numberedPaths(parseEntryPath(file.path, 'write'));
    numbered.set(file.path, names);
    for (let step = names.next(); step.done !== true; step = names.next()) {
      const name = formatEntryPath(step.value);
      if (name === file.path ? directories.has(name) : taken.has(name)) continue;
      taken.add(name);
      return step.value;
    }
    throw noFreeName(file);
  };
}

/** Those of the offers whose path is there already. */
async function findOccupied(
  { context, volume, upload }: Naming,
  offers: readonly Offer[],
): Promise<ReadonlySet<Offer>> {
  const occupied = new Set<Offer>();
  for (let start = 0; start < offers.length; start += parallelLooks) {
    if (context.signal.aborted) throw context.signal.reason;
    const looks = offers.slice(start, start + parallelLooks).map(async (offer) => {
      if ((await volume.stat(upload.folderId, offer.path)) !== null) occupied.add(offer);
    });
    // None goes on behind the end of the run.
    const failed = (await Promise.allSettled(looks)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }
  return occupied;
}

function inOrder<File extends Pick<CommitFile, 'ordinal'>>(files: readonly File[]): File[] {
  return files.toSorted((a, b) => a.ordinal - b.ordinal);
}

/** Names that are free as far as can be seen without a claim, one for each file. */
async function chooseNames(naming: Naming, next: NextName, wanting: readonly CommitFile[]): Promise<Offer[]> {
  const chosen: Offer[] = [];
  const files = inOrder(wanting);
  // Files that ask for one name are numbered in their order, which begins once the name itself is known to be taken or not.
  const first = new Set(new Map(files.toReversed().map((file) => [file.path, file])).values());
  let asking = files.filter((file) => first.has(file));
  let waiting = files.filter((file) => !first.has(file));
  while (asking.length > 0) {
    const offers = asking.map((file) => ({ file, path: next(file) }));
    const occupied = await findOccupied(naming, offers);
    chosen.push(...offers.filter((offer) => !occupied.has(offer)));
    asking = inOrder([...[...occupied].map(({ file }) => file), ...waiting]);
    waiting = [];
  }
  return chosen;
}

async function noteNames(
  { context, upload }: Naming,
  chosen: readonly Offer[],
): Promise<readonly CommitFile[]> {
  const files = chosen.map(({ file, path }) => ({ ...file, path: formatEntryPath(path) }));
  const names = files.filter(({ path }, index) => path !== chosen[index]?.file.path);
  if (names.length > 0) await context.fenced((tx) => renameUploadFiles(tx, upload.id, names));
  return inOrder(files);
}

/**
 * Finds, claims and notes a free name for each file of an upload of which nothing is in place yet: the one it came with or the
 * next numbered one, never one of another file, nor that of a directory that one lies in. All are claimed together, and none
 * is held while others are waited for, so that two uploads cannot wait for each other.
 * @returns the files under their names, in the order they were sent
 * @throws entry_conflict when a file has none, path_invalid when a numbered name is too long; what claiming paths throws
 */
export async function takeFreeNames(
  naming: Naming,
  files: readonly CommitFile[],
): Promise<readonly CommitFile[]> {
  const { services, context, upload } = naming;
  const { folderId, actorId } = upload;
  const letGo = () => context.fenced((tx) => releaseClaims(tx, context.claim.id));
  // An earlier run may have left claims behind.
  if (context.claim.fence > 1) await letGo();
  const next = offerNames(files);
  let chosen = await chooseNames(naming, next, files);
  for (let round = 0; round < roundsMax; round += 1) {
    const paths = chosen.map(({ path }) => formatEntryPath(path));
    await claimJobPaths(services, context, { folderId, actorId, paths, right: 'write' });
    // Whoever held one of them may have put something there.
    const occupied = await findOccupied(naming, chosen);
    if (occupied.size === 0) return await noteNames(naming, chosen);
    await letGo();
    const nameless = [...occupied].map(({ file }) => file);
    const free = chosen.filter((offer) => !occupied.has(offer));
    chosen = [...free, ...(await chooseNames(naming, next, nameless))];
  }
  throw domainError('entry_conflict', 'Others take the names of this upload again and again.');
}
