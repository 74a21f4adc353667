import { gunzipSync } from 'node:zlib';
import type { RawReply } from './raw-reply.ts';

/** Times, and figures that jobs move while the test goes on. */
const movingKeys = new Set([
  'mtime',
  'ctime',
  'atime',
  'percentage',
  'numFiles',
  'used_bytes',
  'trash_bytes',
  'trash_files',
  'reserved_bytes',
  'reserved_files',
]);

/** What differs from run to run, by what it looks like. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>'],
  [/\b[0-9a-f]{32}\b/g, '<hex id>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>'],
  [/[a-z]+-[0-9a-f]{10}@example\.org/g, '<address>'],
  [/wire-[0-9a-f]{10}/g, '<folder>'],
];

function settleText(text: string): string {
  return patterns.reduce((settled, [pattern, name]) => settled.replace(pattern, name), text);
}

/** A JSON value in which ids, times and names of one run have the names of what they are. */
function settle(value: unknown, key = ''): unknown {
  if (key === 'files' && typeof value === 'string') return { 'JSON text of': settle(JSON.parse(value)) };
  if (typeof value === 'string') return settleText(value);
  if (typeof value === 'number' && movingKeys.has(key)) return '<number>';
  if (Array.isArray(value)) return value.map((one: unknown) => settle(one));
  if (typeof value !== 'object' || value === null) return value;
  // How large a directory says it is depends on the file system.
  const isDirectory = Object.values(value).some(
    (one) => typeof one === 'string' && /^d[r-]|^DIRECTORY$/.test(one),
  );
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      isDirectory && name === 'size' ? '<number>' : settle(one, name),
    ]),
  );
}

/** The parts of a multipart body: their headers, and their content unpacked. */
export function partsOf({ headers, body }: RawReply): { readonly head: string; readonly content: string }[] {
  const boundary = /boundary=(\S+)/.exec(headers.get('content-type') ?? '')?.[1] ?? '';
  const text = body.toString('latin1');
  return text
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => {
      const end = part.indexOf('\r\n\r\n');
      const head = part.slice(2, end);
      const bytes = Buffer.from(part.slice(end + 4, -2), 'latin1');
      const content = /^content-encoding: gzip$/im.test(head) ? gunzipSync(bytes) : bytes;
      return { head, content: content.toString() };
    });
}

/** An answer as a test keeps it: status, kind and every key, without what differs from run to run. */
export function toGolden(reply: RawReply): unknown {
  const type = (reply.headers.get('content-type') ?? '').split(';')[0];
  const total = reply.headers.get('x-total-payloads-length');
  const content = (): unknown => {
    if (type === 'multipart/mixed') return partsOf(reply);
    if (reply.body.length === 0) return undefined;
    return /json/.test(type ?? '') ? settle(JSON.parse(reply.body.toString())) : reply.body.toString();
  };
  const body = content();
  return {
    status: reply.status,
    ...(type === '' ? {} : { type }),
    ...(total === undefined ? {} : { total }),
    ...(body === undefined ? {} : { body }),
  };
}
