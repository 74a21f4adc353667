import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ConnectionError, isProblem, ProblemError, ReplyError } from './errors.ts';
import type { Reply } from './exchange.ts';
import { contentPath, type Place } from './files.ts';
import { type CallOptions, type Http, pathOf } from './http.ts';
import { jobOf, openJobs, resultOf, settled } from './jobs.ts';
import { type StoredFile, storedFileModel } from './models.ts';
import { isPassing, noRetries, openPatience, type Patience, usualRetries } from './retry.ts';

type Sending = Pick<CallOptions, 'signal' | 'onSent'>;

/** Bytes of a file that can be read from anywhere, and again. */
export interface UploadSource {
  /** `undefined` when it only shows at the end; then every chunk but the last is whole. */
  readonly sizeBytes: number | undefined;
  /** Up to `length` bytes from `offset` on; fewer only at the end. They stay as they are until what follows them is read. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A resumable upload and where it goes on. */
export interface ResumeOptions extends Sending {
  /** The upload that an earlier try began. */
  readonly resumeUrl?: string | undefined;
  /** Hears the address of a new upload before the first byte is sent. */
  readonly onCreated?: ((url: string) => Promise<void>) | undefined;
  /** Hears that `bytes` are there already, from an earlier try. */
  readonly onResumed?: ((bytes: number) => void) | undefined;
}

/** Bringing files into a folder. */
export interface UploadsApi {
  /** Several whole files in one request, in place together. Sums are compared. */
  sendBatch(
    folder: string,
    files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
    options?: Sending,
  ): Promise<StoredFile[]>;
  /** One whole file. `isNew` refuses one that is there. The sum is compared. */
  sendWhole(place: Place, bytes: Uint8Array, options?: Sending & { readonly isNew?: boolean }): Promise<void>;
  /** One file in chunks, going on after a broken connection, a restart of the service, or with `resumeUrl` a new start. */
  sendResumable(place: Place, source: UploadSource, options?: ResumeOptions): Promise<void>;
}

const committedModel = z.looseObject({
  files: z.array(storedFileModel),
  failed: z.array(z.looseObject({ path: z.string(), code: z.string() })).default([]),
});

/** Bytes of one PATCH; in memory, so that it can be sent again. */
const chunkBytes = 16 * 1024 ** 2;
const tus = { 'Tus-Resumable': '1.0.0' };
const newline = '\r\n';

function sha256(bytes: Uint8Array, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(bytes).digest(encoding);
}

function formOf(
  boundary: string,
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): Buffer {
  const parts = files.flatMap(({ path, bytes }) => {
    // The extended form carries every name as it is.
    const name = encodeURIComponent(path).replaceAll("'", '%27');
    const head = [
      `--${boundary}`,
      `Content-Disposition: form-data; name="src"; filename*=utf-8''${name}`,
      'Content-Type: application/octet-stream',
      '',
      '',
    ];
    return [Buffer.from(head.join(newline)), bytes, Buffer.from(newline)];
  });
  return Buffer.concat([...parts, Buffer.from(`--${boundary}--${newline}`)]);
}

async function sendBatch(
  http: Http,
  folder: string,
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
  options: Sending,
): Promise<StoredFile[]> {
  const boundary = `vfolder-${randomBytes(18).toString('base64url')}`;
  const response = await http.send('POST', `${pathOf('folders', folder)}/upload`, {
    ...options,
    isRepeatable: true,
    bytes: formOf(boundary, files),
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
  });
  const { files: stored, failed } = await settled(http, response, { reply: committedModel }, options);
  const sums = new Map(stored.map((file) => [file.path, file.sha256]));
  const wrong = files.find(({ path, bytes }) => sums.get(path) !== sha256(bytes, 'hex'));
  if (failed[0] !== undefined)
    throw new ProblemError(500, {
      code: failed[0].code,
      detail: `${failed[0].path} could not be put in place.`,
    });
  if (wrong !== undefined) throw new ReplyError(`${wrong.path} was not stored as it was sent.`);
  return stored;
}

async function sendWhole(
  http: Http,
  place: Place,
  bytes: Uint8Array,
  { isNew, ...options }: Sending & { readonly isNew?: boolean },
): Promise<void> {
  const response = await http.send('PUT', contentPath(place), {
    ...options,
    bytes,
    // A repeat of what had to be new would find its own first try there.
    isRepeatable: isNew !== true,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Repr-Digest': `sha-256=:${sha256(bytes, 'base64')}:`,
      ...(isNew === true ? { 'If-None-Match': '*' } : {}),
    },
  });
  await settled(http, response, { reply: z.unknown() }, options);
}

function metadataOf({ folder, path }: Place): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  return `folder ${encode(folder)},path ${encode(path)}`;
}

/** The path of an upload below the service, from a `Location` that may be absolute. */
function uploadPath(location: string | null): string {
  const id = /\/uploads\/([^/?#]+)$/.exec(location ?? '')?.[1];
  if (id === undefined) throw new ReplyError('The service began an upload without saying where it is.');
  return `/uploads/${id}`;
}

async function create(
  http: Http,
  place: Place,
  sizeBytes: number | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const length: Record<string, string> =
    sizeBytes === undefined ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(sizeBytes) };
  const headers = { ...tus, ...length, 'Upload-Metadata': metadataOf(place) };
  const response = await http.send('POST', '/uploads', { headers, signal });
  await waitForCommit(http, response, signal);
  return uploadPath(response.headers.get('location'));
}

/** A last PATCH whose commit takes longer answers 202. */
async function waitForCommit(http: Http, response: Reply, signal: AbortSignal | undefined): Promise<void> {
  response.discard();
  const id = jobOf(response);
  if (id === undefined) return;
  const { failed } = committedModel.parse(resultOf(await openJobs(http).follow(id, { signal })));
  if (failed[0] !== undefined)
    throw new ProblemError(500, { code: failed[0].code, detail: 'The file could not be put in place.' });
}

async function offsetOf(
  http: Http,
  path: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const response = await http.send('HEAD', path, { headers: tus, signal, accepts: [403, 404, 410] });
  return response.ok ? Number(response.headers.get('upload-offset') ?? 0) : undefined;
}

interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The length of the whole, told with the last chunk of a source that had not said it. */
  readonly totalBytes: number | undefined;
}

async function sendChunk(http: Http, path: string, chunk: Chunk, options: Sending): Promise<void> {
  const response = await http.send('PATCH', path, {
    ...options,
    retries: noRetries,
    bytes: chunk.bytes,
    headers: {
      ...tus,
      'Content-Type': 'application/offset+octet-stream',
      'Upload-Offset': String(chunk.offset),
      'Upload-Checksum': `sha256 ${sha256(chunk.bytes, 'base64')}`,
      ...(chunk.totalBytes === undefined ? {} : { 'Upload-Length': String(chunk.totalBytes) }),
    },
  });
  await waitForCommit(http, response, options.signal);
}

/** What a failed PATCH leaves to do: nothing, or waiting and asking how far it came. */
function isResumable(error: unknown): error is ConnectionError | ProblemError {
  if (error instanceof ConnectionError) return !error.isLasting;
  if (isProblem(error, 'upload_offset_mismatch', 'checksum_mismatch', 'upload_aborted', 'job_lost'))
    return true;
  return error instanceof ProblemError && isPassing(error.status, null);
}

/** An upload on the service and how far it came. */
interface Begun {
  readonly path: string;
  readonly offset: number;
}

async function begin(
  http: Http,
  place: Place,
  source: UploadSource,
  { resumeUrl, onCreated, onResumed, signal }: ResumeOptions,
): Promise<Begun> {
  const reached = resumeUrl === undefined ? undefined : await offsetOf(http, resumeUrl, signal);
  if (resumeUrl !== undefined && reached !== undefined) {
    onResumed?.(reached);
    return { path: resumeUrl, offset: reached };
  }
  const path = await create(http, place, source.sizeBytes, signal);
  await onCreated?.(path);
  return { path, offset: 0 };
}

async function nextChunk(place: Place, source: UploadSource, offset: number): Promise<Chunk> {
  const { sizeBytes } = source;
  if (sizeBytes === undefined) {
    const bytes = await source.read(offset, chunkBytes);
    const isLast = bytes.byteLength < chunkBytes;
    return { offset, bytes, totalBytes: isLast ? offset + bytes.byteLength : undefined };
  }
  const wanted = Math.min(chunkBytes, sizeBytes - offset);
  const bytes = await source.read(offset, wanted);
  if (bytes.byteLength < wanted) throw new ReplyError(`${place.path} became shorter while it was sent.`);
  return { offset, bytes, totalBytes: undefined };
}

/** Waits after a failed PATCH and asks how far it came. @throws the failure, when nothing is to be hoped for */
async function recover(
  http: Http,
  path: string,
  error: unknown,
  { patience, signal }: { readonly patience: Patience; readonly signal: AbortSignal | undefined },
): Promise<number> {
  if (signal?.aborted === true || !isResumable(error) || !(await patience.wait())) throw error;
  const reached = await offsetOf(http, path, signal);
  if (reached === undefined) throw error;
  return reached;
}

async function sendResumable(
  http: Http,
  place: Place,
  source: UploadSource,
  options: ResumeOptions,
): Promise<void> {
  const { signal, onSent } = options;
  const begun = await begin(http, place, source, options);
  // Without bytes there is nothing to follow; the creation has put it in place.
  if (source.sizeBytes === 0) return;
  const patience = openPatience(usualRetries, signal);
  for (let { offset } = begun; ; ) {
    // A chunk of nothing repeats a last one whose answer was lost, and waits for the commit.
    const chunk = await nextChunk(place, source, offset);
    const end = offset + chunk.bytes.byteLength;
    const reached = await sendChunk(http, begun.path, chunk, { signal, onSent }).then(
      () => undefined,
      (error: unknown) => recover(http, begun.path, error, { patience, signal }),
    );
    if (reached !== undefined) onSent?.(reached - offset);
    else patience.refill();
    offset = reached ?? end;
    if (reached === undefined && (chunk.totalBytes !== undefined || offset === source.sizeBytes)) return;
  }
}

/** Opens the ways to bring files in. */
export function openUploads(http: Http): UploadsApi {
  return {
    sendBatch: (folder, files, options = {}) => sendBatch(http, folder, files, options),
    sendWhole: (place, bytes, options = {}) => sendWhole(http, place, bytes, options),
    sendResumable: (place, source, options = {}) => sendResumable(http, place, source, options),
  };
}
