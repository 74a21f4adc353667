import type { ErrorCode } from '../../domain/errors.ts';
import { acceptedBody } from '../http/wire.ts';
import type { RouteDoc } from '../openapi/answers.ts';
import { uploadRefusals } from '../uploads/schemas.ts';

type Described = Pick<RouteDoc, 'refusals' | 'reads' | 'sets' | 'takes'>;

const bytes = { 'application/offset+octet-stream': { type: 'string', format: 'binary' } };
const moving = [
  'not_found',
  'tus_version_unsupported',
  'upload_locked',
] as const satisfies readonly ErrorCode[];

/** What receiving bytes refuses with, before or after them. */
export const receivingRefusals = [
  ...uploadRefusals,
  'upload_locked',
  'upload_gone',
  'body_too_large',
  'checksum_mismatch',
  'service_unavailable',
] as const;

/** Replies of an upload's creation: what arrived by then is committed, or will be. */
export const createAnswers = { 201: null, 202: acceptedBody } as const;
/** Replies of a PATCH. */
export const patchAnswers = { 202: acceptedBody, 204: null } as const;

/** What an OPTIONS tells. */
export const optionsDoc = {
  sets: { 204: ['Tus-Resumable', 'Tus-Version', 'Tus-Extension', 'Tus-Checksum-Algorithm', 'Tus-Max-Size'] },
} as const satisfies Described;

/** How an upload is begun. */
export const createDoc = {
  refusals: [...receivingRefusals, ...moving, 'upload_unfinished', 'upload_length_mismatch'],
  reads: [
    'Tus-Resumable',
    'Upload-Length',
    'Upload-Defer-Length',
    'Upload-Metadata',
    'Upload-Concat',
    'Upload-Checksum',
    'Prefer',
  ],
  sets: {
    201: ['Location', 'Tus-Resumable', 'Upload-Offset', 'Upload-Expires'],
    202: ['Location', 'Tus-Resumable', 'Upload-Offset', 'Upload-Expires'],
  },
  takes: bytes,
} as const satisfies Described;

/** How the state of an upload is asked. */
export const headDoc = {
  refusals: [...moving, 'upload_gone', 'service_unavailable'],
  reads: ['Tus-Resumable'],
  sets: {
    200: [
      'Tus-Resumable',
      'Upload-Offset',
      'Upload-Length',
      'Upload-Defer-Length',
      'Upload-Metadata',
      'Upload-Concat',
      'Upload-Expires',
    ],
  },
} as const satisfies Described;

/** How an upload goes on. */
export const patchDoc = {
  refusals: [
    ...receivingRefusals,
    ...moving,
    'upload_offset_mismatch',
    'upload_length_mismatch',
    'upload_final',
  ],
  reads: ['Tus-Resumable', 'Upload-Offset', 'Upload-Length', 'Upload-Checksum', 'Prefer'],
  sets: {
    202: ['Location', 'Tus-Resumable', 'Upload-Offset', 'Upload-Expires'],
    204: ['Tus-Resumable', 'Upload-Offset', 'Upload-Expires'],
  },
  takes: bytes,
} as const satisfies Described;

/** How an upload is given up. */
export const terminateDoc = {
  refusals: [...moving, 'volume_read_only', 'volume_unavailable'],
  reads: ['Tus-Resumable'],
  sets: { 204: ['Tus-Resumable'] },
} as const satisfies Described;
