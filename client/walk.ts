import { z } from 'zod';
import { ConnectionError, ReplyError } from './errors.ts';
import type { Reply } from './exchange.ts';
import { type Http, pathOf } from './http.ts';
import { type Walked, walkedModel } from './models.ts';
import { openPatience, usualRetries } from './retry.ts';

const lineModel = z.union([
  walkedModel.transform((entry) => ({ entry, omitted: 0 })),
  z.looseObject({ omitted: z.number() }).transform(({ omitted }) => ({ entry: undefined, omitted })),
]);
/** Characters of one line; a path has at most a few thousand. */
const lineCharactersMax = 1024 ** 2;

/** How to list a tree. `digests` asks for the CRC-32 of each file, where the service knows it. */
export interface WalkOptions {
  readonly digests?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Hears how many entries the service could not even name. */
  readonly onOmitted?: ((entries: number) => void) | undefined;
}

async function* linesOf(response: Reply): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineCharactersMax) throw new ReplyError('The service sent a line without an end.');
    yield* lines;
  }
  if (rest !== '') throw new ReplyError('The service ended a listing in the middle of a line.');
}

type Line = z.infer<typeof lineModel>;

function parseLine(line: string): Line {
  try {
    return lineModel.parse(JSON.parse(line));
  } catch (cause) {
    throw new ReplyError('The service does not list as a VFolder service does.', cause);
  }
}

/** The order of a walk: depth first, directories before what is in them, names by their bytes. */
export function compareWalked(one: string, other: string): number {
  const [a, b] = [one.split('/'), other.split('/')];
  for (const [at, name] of a.entries()) {
    const against = b[at];
    if (against === undefined) return 1;
    const order = Buffer.compare(Buffer.from(name), Buffer.from(against));
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Passes over what was handed out before a connection broke. */
function openMark() {
  let last: string | undefined;
  /** @returns whether an entry is new */
  return ({ path, reason }: Walked): boolean => {
    const order = last === undefined ? 1 : compareWalked(path, last);
    // A directory that could not be entered is told once more, with the reason.
    if (order < 0 || (order === 0 && reason === undefined)) return false;
    // What could not be read as a name is not where its path says.
    if (reason === undefined) last = path;
    return true;
  };
}

/** Hands out what is new of one answer. @returns why it broke off; `undefined` at its end */
async function* readEntries(
  response: Reply,
  isNew: (entry: Walked) => boolean,
  { signal, onOmitted }: WalkOptions,
): AsyncGenerator<Walked, unknown> {
  try {
    for await (const line of linesOf(response)) {
      const { entry, omitted } = parseLine(line);
      if (entry === undefined) onOmitted?.(omitted);
      else if (isNew(entry)) yield entry;
    }
    return undefined;
  } catch (error) {
    if (signal?.aborted === true || error instanceof ReplyError) throw error;
    return error;
  }
}

/**
 * Everything below a directory, each directory before what is in it, names in byte order; memory does not grow with the
 * tree. A connection that breaks is made again and the listing goes on behind what was handed out.
 * @throws ProblemError, ConnectionError, ReplyError
 */
export async function* walkEntries(
  http: Http,
  { folder, path }: { readonly folder: string; readonly path: string },
  options: WalkOptions = {},
): AsyncGenerator<Walked> {
  const { digests = false, signal } = options;
  const patience = openPatience(usualRetries, signal);
  const isUnseen = openMark();
  const isNew = (entry: Walked): boolean => {
    if (!isUnseen(entry)) return false;
    patience.refill();
    return true;
  };
  const query = { path, recursive: true, ...(digests ? { digests } : {}) };
  for (;;) {
    const response = await http.send('GET', `${pathOf('folders', folder)}/files`, { query, signal });
    const broken = yield* readEntries(response, isNew, options);
    if (broken === undefined) return;
    if (!(await patience.wait())) throw new ConnectionError('The listing broke off.', broken);
  }
}
