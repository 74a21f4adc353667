/** A header as the document describes it. */
export interface HeaderDoc {
  readonly description: string;
  readonly schema: object;
  /** Of a request: whether it has to be sent. */
  readonly required?: boolean;
}

const text = { type: 'string' };
const tusVersionSchema = { const: '1.0.0' };
const whole = { type: 'integer', minimum: 0 };

/** Request headers that some routes read, by name. */
export const requestHeaders = {
  Prefer: {
    description: '`respond-async` answers 202 at once; `wait=N` waits N seconds for the job (RFC 7240).',
    schema: text,
  },
  'Idempotency-Key': {
    description: 'Makes the change once, however often it is sent with this key within 24 hours.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  Range: { description: 'The part wanted (RFC 9110 §14.2).', schema: text },
  'If-Range': { description: 'The range only if the content is still this one.', schema: text },
  'If-Match': { description: 'Only if the content is one of these.', schema: text },
  'If-None-Match': {
    description: 'Only if the content is none of these; `*` for none at all.',
    schema: text,
  },
  'If-Modified-Since': { description: 'Only if the content changed after this.', schema: text },
  'If-Unmodified-Since': { description: 'Only if the content did not change after this.', schema: text },
  'Content-Digest': {
    description: 'SHA-256 of the body (RFC 9530), compared before it is kept.',
    schema: text,
  },
  'Repr-Digest': { description: 'As `Content-Digest`.', schema: text },
  'Last-Event-ID': { description: 'The `id` of the event that was heard last.', schema: text },
  'Tus-Resumable': { description: 'The version of tus.', schema: tusVersionSchema, required: true },
  'Upload-Length': { description: 'Bytes of the whole upload.', schema: whole },
  'Upload-Defer-Length': { description: 'The length is told later.', schema: { const: '1' } },
  'Upload-Offset': { description: 'Where the bytes of the body belong.', schema: whole },
  'Upload-Metadata': { description: '`folder` and `path`, each with its value in base64.', schema: text },
  'Upload-Concat': { description: '`partial`, or `final;` and the urls of the parts.', schema: text },
  'Upload-Checksum': { description: 'Algorithm and digest of the body in base64.', schema: text },
} as const satisfies Record<string, HeaderDoc>;

/** One of {@link requestHeaders}. */
export type RequestHeader = keyof typeof requestHeaders;

/** What conditional and partial reads look at. */
export const rangeHeaders = [
  'Range',
  'If-Range',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'If-Unmodified-Since',
] as const satisfies readonly RequestHeader[];

/** What conditional changes look at. */
export const conditionHeaders = [
  'If-Match',
  'If-None-Match',
  'If-Unmodified-Since',
] as const satisfies readonly RequestHeader[];

/** What conditional writes look at. */
export const writeHeaders = [
  ...conditionHeaders,
  'Content-Digest',
  'Repr-Digest',
] as const satisfies readonly RequestHeader[];

/** Response headers, by name. */
export const replyHeaders = {
  'X-Request-Id': { description: 'Names the request in logs.', schema: text },
  'X-RateLimit-Limit': { description: 'Requests allowed in the window.', schema: whole },
  'X-RateLimit-Remaining': { description: 'Requests left in the window.', schema: whole },
  'X-RateLimit-Window': { description: 'Seconds of the window.', schema: whole },
  'Retry-After': { description: 'Seconds to wait before trying again.', schema: whole },
  'WWW-Authenticate': { description: 'How to prove who you are.', schema: text },
  Location: { description: 'Where to look next.', schema: { type: 'string', format: 'uri-reference' } },
  'Preference-Applied': { description: 'What of `Prefer` was done.', schema: text },
  ETag: { description: 'Strong validator of the content.', schema: text },
  'Last-Modified': { description: 'When the content changed last.', schema: text },
  'Accept-Ranges': { description: 'Parts can be had in bytes.', schema: text },
  'Content-Range': { description: 'Which part this is.', schema: text },
  'Tus-Resumable': { description: 'The version of tus.', schema: tusVersionSchema },
  'Tus-Version': { description: 'Versions of tus that are spoken.', schema: text },
  'Tus-Extension': { description: 'Extensions of tus that are spoken.', schema: text },
  'Tus-Checksum-Algorithm': { description: 'Algorithms for `Upload-Checksum`.', schema: text },
  'Tus-Max-Size': { description: 'Most bytes of an upload.', schema: whole },
  'Upload-Offset': { description: 'Bytes that have arrived.', schema: whole },
  'Upload-Length': { description: 'Bytes of the whole upload.', schema: whole },
  'Upload-Defer-Length': { description: 'The length is not known yet.', schema: { const: '1' } },
  'Upload-Metadata': { description: 'As it was sent.', schema: text },
  'Upload-Concat': { description: 'As it was sent.', schema: text },
  'Upload-Expires': { description: 'Until when the upload is kept.', schema: text },
  'Content-Disposition': { description: 'The file name to save it under.', schema: text },
} as const satisfies Record<string, HeaderDoc>;

/** One of {@link replyHeaders}. */
export type ReplyHeader = keyof typeof replyHeaders;

/** Headers of content that can be had in parts, by status. */
export const contentSets = {
  200: ['ETag', 'Last-Modified', 'Accept-Ranges', 'Content-Disposition'],
  206: ['ETag', 'Last-Modified', 'Accept-Ranges', 'Content-Range', 'Content-Disposition'],
  304: ['ETag', 'Last-Modified'],
} as const satisfies Readonly<Record<number, readonly ReplyHeader[]>>;
