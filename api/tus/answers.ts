import type { ResumableUpload } from '../../db/queries/resumable-uploads.ts';
import { domainError } from '../../domain/errors.ts';
import { toHexId } from '../../domain/ids.ts';
import { hasBody, mediaTypeOf } from '../http/body.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import type { Answered, Bare } from '../openapi/answers.ts';
import type { ApiRequest } from '../route.ts';
import { committedFiles } from '../uploads/commit-result.ts';
import { checksumAlgorithms } from './checksum.ts';
import type { DigestCache } from './digests.ts';
import { integerHeader, requireTusVersion, tusVersion } from './headers.ts';
import { type ReceivedBytes, receiveBytes, requireLength } from './receive.ts';
import { loadRestingUpload, loadUpload, offsetMismatch, requireKept } from './writer-claim.ts';

type TusRequest = Pick<
  ApiRequest<unknown>,
  | 'services'
  | 'preference'
  | 'signal'
  | 'acceptBody'
  | 'verifyBody'
  | 'incoming'
  | 'outgoing'
  | 'headers'
  | 'baseUrl'
>;

/** An upload and whose request it is. */
export interface UploadAccess {
  readonly id: string;
  readonly userId: string;
}

const extensions = [
  'creation',
  'creation-with-upload',
  'creation-defer-length',
  'checksum',
  'checksum-trailer',
  'expiration',
  'termination',
  'concatenation',
];

/** What the server can: "The Server MUST respond with the Tus-Version header" and may name extensions and limits. */
export function optionsReply(isComplete: boolean): Bare<204> {
  return {
    status: 204,
    headers: {
      'Tus-Version': tusVersion,
      'Tus-Extension': (isComplete ? extensions : ['checksum', 'checksum-trailer', 'expiration']).join(','),
      'Tus-Checksum-Algorithm': checksumAlgorithms.join(','),
      // Quotas are the real limit, and they are a folder's.
      'Tus-Max-Size': String(Number.MAX_SAFE_INTEGER),
    },
  };
}

/** Refusals carry it too, when the request was about the version. @throws tus_version_unsupported */
export function requireTus(request: Pick<TusRequest, 'headers' | 'outgoing'>): void {
  request.outgoing.setHeader('Tus-Version', tusVersion);
  requireTusVersion(request.headers);
  request.outgoing.removeHeader('Tus-Version');
}

/** `Upload-Expires` of an upload that is still kept. */
export function expiryHeader(upload: ResumableUpload): Record<string, string> {
  return { 'Upload-Expires': upload.expiresAt.toUTCString() };
}

/** "The response MUST include the Upload-Concat header and its value as received in the upload creation request." */
function concatHeader(upload: ResumableUpload, baseUrl: string): Record<string, string> {
  if (upload.shape === 'whole') return {};
  if (upload.shape === 'partial') return { 'Upload-Concat': 'partial' };
  if (upload.concat !== null) return { 'Upload-Concat': upload.concat };
  // Joined by a process that did not note it yet, during an upgrade.
  const urls = (upload.partIds ?? []).map((id) => `${baseUrl}/uploads/${toHexId(id)}`);
  return { 'Upload-Concat': `final;${urls.join(' ')}` };
}

/** Where an upload stands. @throws not_found, upload_gone, tus_version_unsupported */
export async function headReply(request: TusRequest, access: UploadAccess): Promise<Bare<200>> {
  requireTus(request);
  const upload = await loadRestingUpload(request.services, access, request.signal);
  requireKept(upload);
  // "The response SHOULD NOT contain the Upload-Offset header unless the concatenation has been successfully finished."
  const isJoining = upload.shape === 'final' && upload.state !== 'committed';
  const offset = upload.shape === 'final' ? upload.lengthBytes : upload.offsetBytes;
  return {
    status: 200,
    headers: {
      ...(isJoining ? {} : { 'Upload-Offset': String(offset) }),
      ...(upload.lengthBytes === null
        ? { 'Upload-Defer-Length': '1' }
        : { 'Upload-Length': String(upload.lengthBytes) }),
      ...(upload.metadata === '' ? {} : { 'Upload-Metadata': upload.metadata }),
      ...concatHeader(upload, request.baseUrl),
      ...expiryHeader(upload),
    },
  };
}

/** Waits for the commit of an upload and answers like any route with a job; the headers are for every outcome but refusals. */
export async function replyOnceCommitted<Status extends number>(
  request: TusRequest,
  jobId: string,
  reply: Bare<Status>,
): Promise<Bare<Status> | Answered<202, { readonly id: string }>> {
  const answer = await replyAfterJob(request, jobId, (job) => {
    committedFiles(job);
    return reply;
  });
  return { ...answer, headers: { ...answer.headers, ...reply.headers } };
}

/** Whether a request brings bytes for an upload. @throws media_type_unsupported */
export function bringsBytes(request: Pick<TusRequest, 'headers'>): boolean {
  const mediaType = mediaTypeOf(request.headers);
  if (mediaType === 'application/offset+octet-stream') return true;
  if (!hasBody(request.headers)) return false;
  throw domainError('media_type_unsupported', 'Send the bytes as application/offset+octet-stream.');
}

/** Refuses a body that says it is longer than what is left. @throws body_too_large */
export function requireFitting(request: Pick<TusRequest, 'headers'>, leftBytes: number | null): void {
  const bodyBytes = Number(request.headers['content-length'] ?? 0);
  if (leftBytes !== null && bodyBytes > leftBytes) {
    throw domainError(
      'body_too_large',
      `The upload has room for ${leftBytes} more bytes; ${bodyBytes} were sent.`,
    );
  }
}

async function receive(
  request: TusRequest,
  digests: DigestCache,
  upload: ResumableUpload,
  offsetBytes: number,
): Promise<ReceivedBytes> {
  requireKept(upload);
  if (upload.shape === 'final') {
    throw domainError('upload_final', 'An upload that is joined from parts takes no bytes of its own.');
  }
  if (upload.offsetBytes !== offsetBytes) throw offsetMismatch(upload);
  const declared = integerHeader(request.headers, 'upload-length');
  if (declared !== undefined) requireLength(upload, declared);
  const lengthBytes = declared ?? upload.lengthBytes;
  requireFitting(request, lengthBytes === null ? null : lengthBytes - offsetBytes);
  // The last request is repeated when its answer was lost.
  if (upload.state !== 'receiving') return { offsetBytes, jobId: upload.jobId };
  const { incoming, signal, acceptBody, verifyBody } = request;
  const bytes = {
    incoming,
    signal,
    acceptBody,
    verifyBody,
    offsetBytes,
    declaredBytes: declared,
    hasBytes: true,
  };
  return receiveBytes(request.services, digests, upload, bytes);
}

/**
 * Takes the bytes of a PATCH. The last one waits for the commit.
 * @throws whatever receiving and committing refuse
 */
export async function patchReply(
  request: TusRequest,
  digests: DigestCache,
  access: UploadAccess,
): Promise<Bare<204> | Answered<202, { readonly id: string }>> {
  requireTus(request);
  if (mediaTypeOf(request.headers) !== 'application/offset+octet-stream') {
    throw domainError('media_type_unsupported', 'Send the bytes as application/offset+octet-stream.');
  }
  const offsetBytes = integerHeader(request.headers, 'upload-offset');
  if (offsetBytes === undefined) throw domainError('request_malformed', 'Upload-Offset is missing.');
  const upload = await loadUpload(request.services, access);
  const received = await receive(request, digests, upload, offsetBytes);
  const headers = { 'Upload-Offset': String(received.offsetBytes), ...expiryHeader(upload) };
  if (received.jobId === null) return { status: 204, headers };
  return replyOnceCommitted<204>(request, received.jobId, { status: 204, headers });
}
