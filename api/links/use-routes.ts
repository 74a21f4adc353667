import { writtenBody } from '../contents/schemas.ts';
import { readRefusals } from '../downloads/schemas.ts';
import { fileAnswers, fileRefusals } from '../http/send-file.ts';
import { acceptedBody } from '../http/wire.ts';
import { contentSets, rangeHeaders } from '../openapi/headers.ts';
import { defineRoute, type Route } from '../route.ts';
import { uploadedBody, uploadRefusals } from '../uploads/schemas.ts';
import type { LinkBounds } from './bounds.ts';
import { fillByBody, fillByForm } from './fill-link.ts';
import { readByLink } from './read-link.ts';
import { linkListingBody, linkReadInput, linkUploadInput } from './schemas.ts';

/** Who has a link is nobody's crawler; the rest of what answers with content carry they get from where it is sent. */
const headers = { 'X-Robots-Tag': 'noindex, nofollow' } as const;
const linkPath = '/l/:token';
const belowPath = '/l/:token/:path{.+}';
const linkRefusals = ['not_found', 'link_password_required', 'auth_invalid', 'service_unavailable'] as const;
const common = { access: 'public', right: null, isTransfer: true, headers } as const;

const readAnswers = {
  ...fileAnswers(['application/octet-stream', 'application/zip']),
  200: { json: linkListingBody, media: ['application/octet-stream', 'application/zip'] },
} as const;

function readRoute(
  bounds: LinkBounds,
  { method, path, id }: { readonly method: 'GET' | 'HEAD'; readonly path: string; readonly id: string },
): Route {
  return defineRoute({
    ...common,
    method,
    path,
    body: 'json',
    input: linkReadInput,
    answers: readAnswers,
    doc: {
      tag: 'Links',
      id,
      summary:
        method === 'GET'
          ? 'Download by a link: a file, or a directory as zip or as a listing'
          : 'See size and ETag of what a link leads to',
      refusals: [...linkRefusals, ...readRefusals, ...fileRefusals],
      reads: rangeHeaders,
      sets: contentSets,
    },
    handle: (request) => readByLink(request, bounds),
  });
}

function formRoute(bounds: LinkBounds): Route {
  return defineRoute({
    ...common,
    method: 'POST',
    path: linkPath,
    body: 'stream',
    holdsContinue: true,
    input: linkUploadInput,
    answers: { 201: uploadedBody, 202: acceptedBody },
    doc: {
      tag: 'Links',
      id: 'uploadByLink',
      summary: 'Upload files by a link; none replaces another',
      refusals: [...linkRefusals, ...uploadRefusals, 'upload_empty', 'body_too_large'],
      takes: {
        'multipart/form-data': {
          type: 'object',
          additionalProperties: { type: 'string', format: 'binary' },
        },
      },
    },
    handle: (request) => fillByForm(request, bounds),
  });
}

function bodyRoute(bounds: LinkBounds): Route {
  return defineRoute({
    ...common,
    method: 'PUT',
    path: belowPath,
    body: 'stream',
    holdsContinue: true,
    input: linkUploadInput,
    answers: { 201: writtenBody, 202: acceptedBody },
    doc: {
      tag: 'Links',
      id: 'putByLink',
      summary: 'Upload one file by a link; it replaces none',
      refusals: [...linkRefusals, ...uploadRefusals, 'digest_mismatch'],
      reads: ['Content-Digest', 'Repr-Digest'],
      takes: { 'application/octet-stream': { type: 'string', format: 'binary' } },
    },
    handle: (request) => fillByBody(request, bounds),
  });
}

/** What those may do who have a link: no credentials but its token, and its password if it has one. */
export function linkUseRoutes(bounds: LinkBounds): readonly Route[] {
  return [
    readRoute(bounds, { method: 'GET', path: linkPath, id: 'downloadByLink' }),
    readRoute(bounds, { method: 'HEAD', path: linkPath, id: 'inspectByLink' }),
    readRoute(bounds, { method: 'GET', path: belowPath, id: 'downloadBelowLink' }),
    readRoute(bounds, { method: 'HEAD', path: belowPath, id: 'inspectBelowLink' }),
    formRoute(bounds),
    bodyRoute(bounds),
  ];
}
