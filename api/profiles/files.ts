import { domainError, isDomainError } from '../../domain/errors.ts';
import type { EntryKind, ListedEntry } from '../../storage/volume.ts';
import {
  type DirectoryResults,
  type ListRequest,
  listFiles,
  listLimitMax,
} from '../folders/files/operations.ts';
import { presentListing } from '../folders/files/schemas.ts';
import { sortByName } from '../folders/files/sort-by-name.ts';
import type { ApiRequest, Reply } from '../route.ts';
import type { Services } from '../services.ts';

/** Most entries of one listing: clients do not page, and an answer that leaves some out would pass for a whole one. */
export const wholeListingMax = 100_000;

const kinds: Readonly<Record<EntryKind, string>> = {
  file: 'FILE',
  directory: 'DIRECTORY',
  symlink: 'SYMLINK',
  other: 'FILE',
};

async function listWhole(services: Services, request: Omit<ListRequest, 'limit'>): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = [];
  let cursor: string | undefined;
  do {
    const page = await listFiles(services, { ...request, limit: listLimitMax, cursor });
    entries.push(...page.entries);
    if (entries.length > wholeListingMax) {
      throw domainError('request_malformed', `Only ${wholeListingMax} entries can be listed at once.`);
    }
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return sortByName(entries);
}

/**
 * `GET /folders/:name/files`: the whole directory, twice, for clients before 24.09 read `files` and later ones `items`,
 * whose types are words in capitals and whose modes are numbers.
 */
export const wholeListing = {
  answer: async ({ services, principal, params, input }: ApiRequest<{ readonly path: string }>) => {
    const request = { userId: principal.userId, nameOrId: params.name ?? '', path: input.path };
    const entries = await listWhole(services, request);
    const listing = presentListing({ entries, nextCursor: null });
    const items = listing.items.map((item, index) => {
      const entry = entries[index];
      return entry === undefined ? item : { ...item, type: kinds[entry.kind], mode: entry.mode };
    });
    return { status: 200, body: { files: listing.files, items } };
  },
};

interface MakeInput {
  readonly path: string | readonly string[];
}

type Made = Reply<{ readonly results: DirectoryResults }>;

/**
 * `POST /folders/:name/mkdir`: 201 for one directory; a list is 200 when all were made, 207 when some were, and 422
 * with the same results when none was.
 */
export const madeDirectories = {
  answer: async <Input extends MakeInput>(
    request: ApiRequest<Input>,
    documented: (request: ApiRequest<Input>) => Promise<Made>,
  ): Promise<Reply> => {
    const { path } = request.input;
    if (typeof path === 'string') return documented(request);
    try {
      const reply = await documented(request);
      if (reply === 'sent' || reply.body === undefined) return reply;
      return { ...reply, status: reply.body.results.failed.length === 0 ? 200 : 207 };
    } catch (error) {
      if (!isDomainError(error, 'entry_conflict') || error.errors.length !== path.length) throw error;
      const failed = error.errors.map(({ detail }, index) => ({ item: path[index] ?? '', msg: detail }));
      return { status: 422, body: { results: { success: [], failed } } };
    }
  },
};
