import { type DomainError, domainError } from '../../domain/errors.ts';

/** Most bytes of the head of a part; the longest path has 4 KiB, or 12 when escaped. */
const headBytesMax = 32 * 1024;
const headEnd = Buffer.from('\r\n\r\n');
const closing = Buffer.from('--');
const lineEnd = Buffer.from('\r\n');
/** Needles up to this long are looked for by their first byte, with memchr(3); longer ones by a table that is made for each search. */
const shortNeedleBytesMax = 7;

/** A part as it arrives. What is left of its content is dropped when the next part is asked for. */
export interface FormPart {
  /** The first `Content-Disposition` of its head as bytes (latin1), empty when it has none. */
  readonly disposition: string;
  /** To be read once. @throws request_malformed, and what the source throws */
  readonly content: AsyncIterable<Buffer>;
}

/** Bytes that came and were not handed out yet, with more of them where they came from. */
interface Feed {
  rest: Buffer;
  /** Whether `rest` begins right after a delimiter. */
  isDelimited: boolean;
  /** Adds the next chunk to `rest`. @throws request_malformed when there is none */
  more(): Promise<void>;
}

/** The refusal of a body that is not what its content type says. */
export function malformedForm(): DomainError {
  return domainError('request_malformed', 'The multipart body is malformed or ends early.');
}

function openFeed(chunks: AsyncIterator<Buffer>): Feed {
  const feed: Feed = {
    // The first delimiter has no line before it, which is as if there were an empty one.
    rest: lineEnd,
    isDelimited: false,
    more: async () => {
      const next = await chunks.next();
      if (next.done === true) throw malformedForm();
      feed.rest = feed.rest.length === 0 ? next.value : Buffer.concat([feed.rest, next.value]);
    },
  };
  return feed;
}

/** Where the first delimiter stands in `bytes`; negative when there is none. Content has its beginning once in gigabytes. */
function delimiterAt(bytes: Buffer, delimiter: Buffer): number {
  const from = bytes.indexOf(delimiter.subarray(0, shortNeedleBytesMax));
  return from < 0 ? from : bytes.indexOf(delimiter, from);
}

/** Where the beginning of a delimiter stands at the end of `bytes`; their length when there is none. */
function partialAt(bytes: Buffer, delimiter: Buffer): number {
  const from = Math.max(0, bytes.length - delimiter.length + 1);
  // No carriage return but the first is in a delimiter.
  const within = bytes.subarray(from).lastIndexOf(0x0d);
  if (within < 0) return bytes.length;
  const at = from + within;
  const isPartial = bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at));
  return isPartial ? at : bytes.length;
}

/** Hands out what stands before the next delimiter, and passes the delimiter. */
async function* readToDelimiter(feed: Feed, delimiter: Buffer): AsyncGenerator<Buffer> {
  for (;;) {
    const at = delimiterAt(feed.rest, delimiter);
    const until = at < 0 ? partialAt(feed.rest, delimiter) : at;
    const piece = feed.rest.subarray(0, until);
    feed.rest = feed.rest.subarray(at < 0 ? until : at + delimiter.length);
    feed.isDelimited = at >= 0;
    if (piece.length > 0) yield piece;
    if (feed.isDelimited) return;
    await feed.more();
  }
}

/** Passes the head of a part. A part may end with its head: its delimiter then begins with the empty line. */
async function readHead(feed: Feed, delimiter: Buffer): Promise<Buffer> {
  let searched = 0;
  for (;;) {
    const { rest } = feed;
    const from = Math.max(0, searched - delimiter.length);
    const end = rest.indexOf(headEnd, from);
    const cut = rest.indexOf(delimiter, from);
    if (cut >= 0 && (end < 0 || cut <= end + lineEnd.length)) {
      feed.rest = rest.subarray(cut);
      return rest.subarray(0, cut);
    }
    const isDecided = partialAt(rest, delimiter) !== end + lineEnd.length;
    if (end >= 0 && isDecided) {
      feed.rest = rest.subarray(end + headEnd.length);
      return rest.subarray(0, end);
    }
    if (rest.length > headBytesMax) throw malformedForm();
    searched = end >= 0 ? end : rest.length;
    await feed.more();
  }
}

/** Reads header lines with their continuations, up to the first that is none. */
function dispositionOf(head: Buffer): string {
  const unfolded = head.toString('latin1').replace(/\r\n(?=[\t ])/g, '');
  for (const line of unfolded.split('\r\n')) {
    if (line.trim() === '') continue;
    const [, name, value] = /^([^:\r\n]+):([^\r\n]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) break;
    if (name.toLowerCase() === 'content-disposition') return value;
  }
  return '';
}

async function isClosing(feed: Feed): Promise<boolean> {
  while (feed.rest.length < closing.length) await feed.more();
  return feed.rest.subarray(0, closing.length).equals(closing);
}

/**
 * Cuts a multipart body (RFC 2046) into its parts, up to its closing delimiter; what follows it is not read. Memory is
 * one chunk and one head. @throws request_malformed when it ends before, or a head is too long
 */
export async function* readParts(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<FormPart> {
  const chunks = source[Symbol.asyncIterator]();
  const feed = openFeed(chunks);
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  try {
    for (;;) {
      if (!feed.isDelimited) for await (const _dropped of readToDelimiter(feed, delimiter));
      if (await isClosing(feed)) return;
      const disposition = dispositionOf(await readHead(feed, delimiter));
      feed.isDelimited = false;
      yield { disposition, content: readToDelimiter(feed, delimiter) };
    }
  } finally {
    await chunks.return?.();
  }
}
