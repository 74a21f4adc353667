import { z } from 'zod';
import { ConnectionError, isProblem, ReplyError } from './errors.ts';
import type { Reply } from './exchange.ts';
import { type CallOptions, type Http, pathOf } from './http.ts';
import { settled, startWork, type Work, withoutWaiting } from './jobs.ts';
import { type Entry, entryModel, type Walked } from './models.ts';
import { type WalkOptions, walkEntries } from './walk.ts';

/** Where something is: a folder, by name or id, and the path of an entry in it; the empty path is its root. */
export interface Place {
  readonly folder: string;
  readonly path: string;
}

/** What is known of one entry. */
export interface EntryStat {
  readonly type: string;
  /** As `ls -l` writes it. */
  readonly mode: string;
  /** Bytes of a file; `undefined` for anything else. */
  readonly size: number | undefined;
  /** ISO 8601. */
  readonly modified: string;
  readonly etag: string | undefined;
}

const listingModel = z.looseObject({ items: z.array(entryModel), next_cursor: z.string().nullable() });
const statModel = z.looseObject({
  type: z.string(),
  mode: z.string(),
  size: z.number(),
  modified: z.string(),
  etag: z.string().nullable(),
});
const relocatedModel = z.looseObject({ path: z.string() });
/** Where an entry is after it was moved, or its copy. */
export type Relocated = z.infer<typeof relocatedModel>;
const deletedModel = z.looseObject({
  results: z.looseObject({
    success: z.array(z.looseObject({ item: z.string() })),
    failed: z.array(z.looseObject({ item: z.string(), msg: z.string() })),
  }),
});
/** What a job says that finished a delete whose request could not. */
const deletedByJobModel = z
  .looseObject({ entries: z.array(z.looseObject({ path: z.string(), outcome: z.string() })) })
  .transform(({ entries }) => ({
    results: {
      success: entries.filter((entry) => entry.outcome === 'deleted').map(({ path }) => ({ item: path })),
      failed: entries
        .filter((entry) => entry.outcome !== 'deleted')
        .map(({ path, outcome }) => ({ item: path, msg: outcome })),
    },
  }));

/** What came of deleting paths. */
export interface Deleted {
  readonly deleted: readonly string[];
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
}

/** Most paths of one delete, and most directories of one `mkdir`. */
const deletePathsMax = 1_000;
const directoriesMax = 50;

/** Entries of folders. */
export interface FilesApi {
  /** The entries of a directory, page by page. */
  list(place: Place, options?: { readonly sort?: string | undefined }): AsyncGenerator<Entry>;
  /** Everything below a directory, in one listing; see {@link walkEntries}. */
  walk(place: Place, options?: WalkOptions): AsyncGenerator<Walked>;
  /** `undefined` when nothing is there. @throws ProblemError for a missing folder */
  stat(place: Place): Promise<EntryStat | undefined>;
  makeDirectories(
    folder: string,
    paths: readonly string[],
    options: { readonly parents: boolean; readonly existOk: boolean },
  ): Promise<void>;
  /** Work that results in the path it has then; nothing is ever replaced. */
  move(folder: string, src: string, dst: string): Promise<Work<Relocated>>;
  /** As `move`, from another folder where `from` names one. */
  copy(folder: string, src: string, dst: string, from?: CopySource): Promise<Work<Relocated>>;
  remove(
    folder: string,
    paths: readonly string[],
    options: { readonly recursive: boolean },
  ): Promise<Deleted>;
  /** The content of a file from `start` on, which is sent whole when it is no longer `etag`. */
  open(place: Place, options?: OpenOptions): Promise<Reply>;
  /** Bytes of a file that must still be the content `etag`. @throws ProblemError precondition_failed when it is another */
  readRange(place: Place, range: ContentRange): Promise<Uint8Array>;
}

/** Part of a content; `length` is at least 1. */
export interface ContentRange {
  readonly start: number;
  readonly length: number;
  readonly etag: string;
  readonly signal: AbortSignal;
}

/** The folder that a copy comes from, and for how long the answer waits for its end before it names a job. */
export interface CopySource {
  readonly folder: string;
  readonly waitSeconds: number;
}

/** How to open the content of a file. */
export interface OpenOptions extends Pick<CallOptions, 'signal' | 'retries'> {
  readonly start?: number;
  readonly etag?: string | undefined;
}

/** The url path of an entry's content. */
export function contentPath({ folder, path }: Place): string {
  return `${pathOf('folders', folder)}/files${pathOf(...path.split('/'))}`;
}

async function* listEntries(
  http: Http,
  { folder, path }: Place,
  sort: string | undefined,
): AsyncGenerator<Entry> {
  let cursor: string | undefined;
  do {
    const query = { path, cursor, sort };
    const page = await http.read('GET', `${pathOf('folders', folder)}/files`, listingModel, { query });
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}

async function statEntry(http: Http, { folder, path }: Place): Promise<EntryStat | undefined> {
  try {
    const query = { path };
    const found = await http.read('GET', `${pathOf('folders', folder)}/stat`, statModel, { query });
    const { type, size, mode, modified, etag } = found;
    return { type, mode, size: type === 'file' ? size : undefined, modified, etag: etag ?? undefined };
  } catch (error) {
    if (isProblem(error, 'entry_not_found')) return undefined;
    throw error;
  }
}

async function removeEntries(
  http: Http,
  request: { readonly folder: string; readonly files: readonly string[]; readonly recursive: boolean },
): Promise<Deleted> {
  const { folder, files, recursive } = request;
  const response = await http.send('DELETE', `${pathOf('folders', folder)}/delete_files`, {
    json: { files, recursive },
  });
  const { results } = await settled(http, response, {
    reply: deletedModel,
    result: z.union([deletedByJobModel, deletedModel]),
  });
  return {
    deleted: results.success.map(({ item }) => item),
    failed: results.failed.map(({ item, msg }) => ({ path: item, reason: msg })),
  };
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}

async function relocate(
  http: Http,
  request: {
    readonly folder: string;
    readonly verb: 'move' | 'copy';
    readonly src: string;
    readonly dst: string;
    readonly from?: CopySource | undefined;
  },
): Promise<Work<Relocated>> {
  const { folder, verb, src, dst, from } = request;
  const response = await http.send('POST', `${pathOf('folders', folder)}/${verb}`, {
    json: { src, dst, src_folder: from?.folder },
    headers:
      from === undefined || from.waitSeconds === 0 ? withoutWaiting : { Prefer: `wait=${from.waitSeconds}` },
  });
  return startWork(http, response, { reply: relocatedModel });
}

const rangeTriesMax = 3;

async function readRange(
  http: Http,
  place: Place,
  { start, length, etag, signal }: ContentRange,
): Promise<Uint8Array> {
  const headers = { Range: `bytes=${start}-${start + length - 1}`, 'If-Match': etag };
  for (let triesLeft = rangeTriesMax; ; triesLeft -= 1) {
    const response = await http.send('GET', contentPath(place), { signal, headers });
    const body = await response.bytes().catch((error: unknown) => {
      if (signal.aborted || triesLeft <= 1) throw new ConnectionError('The download broke off.', error);
    });
    if (body === undefined) continue;
    if (body.byteLength === length) return body;
    throw new ReplyError('The service sent another part of the file.');
  }
}

/** Opens the entries of the caller's folders. */
export function openFiles(http: Http): FilesApi {
  return {
    list: (place, options = {}) => listEntries(http, place, options.sort),
    walk: (place, options) => walkEntries(http, place, options),
    stat: (place) => statEntry(http, place),
    makeDirectories: async (folder, paths, { parents, existOk }) => {
      for (const path of chunksOf(paths, directoriesMax)) {
        const json = { path, parents, exist_ok: existOk };
        const options = { json, isRepeatable: existOk };
        await http.read('POST', `${pathOf('folders', folder)}/mkdir`, z.unknown(), options);
      }
    },
    move: (folder, src, dst) => relocate(http, { folder, verb: 'move', src, dst }),
    copy: (folder, src, dst, from) => relocate(http, { folder, verb: 'copy', src, dst, from }),
    remove: async (folder, paths, { recursive }) => {
      const parts: Deleted[] = [];
      for (const files of chunksOf(paths, deletePathsMax)) {
        parts.push(await removeEntries(http, { folder, files, recursive }));
      }
      return {
        deleted: parts.flatMap((part) => part.deleted),
        failed: parts.flatMap((part) => part.failed),
      };
    },
    readRange: (place, range) => readRange(http, place, range),
    open: (place, { start = 0, etag, ...options } = {}) =>
      http.send('GET', contentPath(place), {
        ...options,
        accepts: [416],
        headers:
          start === 0
            ? {}
            : { Range: `bytes=${start}-`, ...(etag === undefined ? {} : { 'If-Range': etag }) },
      }),
  };
}
