import { z } from 'zod';
import { readRefusals } from '../downloads/schemas.ts';
import { sendDownload } from '../downloads/send-download.ts';
import { fileAnswers, fileRefusals, sendFile } from '../http/send-file.ts';
import type { Answered } from '../openapi/answers.ts';
import { contentSets, rangeHeaders } from '../openapi/headers.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { headReply, optionsReply, patchReply, replyOnceCommitted } from '../tus/answers.ts';
import { headDoc, optionsDoc, patchAnswers, patchDoc, receivingRefusals } from '../tus/described.ts';
import type { DigestCache } from '../tus/digests.ts';
import { tusHeaders } from '../tus/headers.ts';
import { receiveBytes } from '../tus/receive.ts';
import {
  openOnlyFile,
  requestDownload,
  requestUpload,
  selectByToken,
  type TokenRequest,
  type TokenSelection,
  uploadOfToken,
} from './operations.ts';
import {
  archiveTokenInput,
  downloadInput,
  downloadTokenInput,
  tokenBody,
  tokenInput,
  tokenUrlBody,
  uploadTokenInput,
} from './schemas.ts';

function tokenRequest(request: ApiRequest<unknown>): TokenRequest {
  return { userId: request.principal.userId, nameOrId: request.params.name ?? '' };
}

function issued<Body>(body: Body): Answered<200, Body> {
  return { status: 200, body };
}

/** Gives out an upload token. A file of no bytes is made before the answer, since clients never send anything for one. */
async function giveUploadToken<R>(
  request: ApiRequest<z.infer<typeof uploadTokenInput>>,
  digests: DigestCache,
  answer: (token: string) => R,
): Promise<R> {
  const { services, incoming, signal, acceptBody, verifyBody, input } = request;
  const { token, upload } = await requestUpload(services, {
    ...tokenRequest(request),
    path: input.path,
    sizeBytes: input.size,
  });
  if (input.size > 0) return answer(token);
  const bytes = { incoming, signal, acceptBody, verifyBody, offsetBytes: 0, hasBytes: false };
  const { jobId } = await receiveBytes(services, digests, upload, bytes);
  if (jobId !== null) await replyOnceCommitted(request, jobId, { status: 200, headers: {} });
  return answer(token);
}

/** Sends a zip of what a token is for. */
async function sendTokenArchive(
  request: ApiRequest<unknown>,
  { selection }: TokenSelection,
): Promise<'sent'> {
  const { services, profile } = request;
  return sendDownload(request, selection, { format: 'zip', profile, services });
}

async function download(request: ApiRequest<z.infer<typeof downloadInput>>): Promise<'sent'> {
  const { services, input } = request;
  const found = await selectByToken(services, input.token, 'download');
  const [entry] = found.selection.entries;
  const isArchive = found.token.isArchive || input.archive === true;
  if (isArchive && entry?.stat.kind === 'directory') return sendTokenArchive(request, found);
  return sendFile(request, {
    file: await openOnlyFile(found),
    fileName: entry?.path.at(-1) ?? '',
    contentType: 'application/octet-stream',
    mayRead: found.selection.mayRead,
  });
}

/** Giving out tokens for uploads: by who is signed in, for what they may do themselves. */
function uploadTokenRoutes(digests: DigestCache): readonly Route[] {
  const upload = {
    method: 'POST',
    access: 'user',
    right: 'write',
    body: 'json',
    input: uploadTokenInput,
  } as const;
  return [
    defineRoute({
      ...upload,
      path: '/folders/:name/request-upload',
      answers: { 200: tokenUrlBody },
      doc: {
        tag: 'Transfers',
        id: 'requestUpload',
        summary: 'Get a token to upload one file',
        refusals: [...receivingRefusals, 'transfer_token_limit_reached'],
      },
      handle: (request) =>
        giveUploadToken(request, digests, (token) => issued({ token, url: `${request.baseUrl}/upload` })),
    }),
    defineRoute({
      ...upload,
      path: '/folders/:name/create_upload_session',
      answers: { 200: tokenBody },
      doc: {
        tag: 'Transfers',
        id: 'createUploadSession',
        summary: 'Get a token to upload one file',
        refusals: [...receivingRefusals, 'transfer_token_limit_reached'],
      },
      handle: (request) => giveUploadToken(request, digests, (token) => issued({ token })),
    }),
  ];
}

/** Giving out tokens for downloads. */
function downloadTokenRoutes(): readonly Route[] {
  const read = { method: 'POST', access: 'user', right: 'read', body: 'json' } as const;
  const requestOne = (request: ApiRequest<z.infer<typeof downloadTokenInput>>): Promise<string> =>
    requestDownload(request.services, {
      ...tokenRequest(request),
      verb: 'download',
      paths: [request.input.path],
      isArchive: request.input.isArchive,
      fileName: null,
    });
  return [
    defineRoute({
      ...read,
      path: '/folders/:name/request-download',
      input: downloadTokenInput,
      answers: { 200: tokenUrlBody },
      doc: {
        tag: 'Transfers',
        id: 'requestDownload',
        summary: 'Get a token to download one entry',
        refusals: [...readRefusals, 'transfer_token_limit_reached'],
      },
      handle: async (request) =>
        issued({ token: await requestOne(request), url: `${request.baseUrl}/download` }),
    }),
    defineRoute({
      ...read,
      path: '/folders/:name/request_download',
      input: downloadTokenInput,
      answers: { 200: tokenBody },
      doc: {
        tag: 'Transfers',
        id: 'requestDownloadToken',
        summary: 'Get a token to download one entry',
        refusals: [...readRefusals, 'transfer_token_limit_reached'],
      },
      handle: async (request) => issued({ token: await requestOne(request) }),
    }),
    defineRoute({
      ...read,
      path: '/folders/:name/request-download-archive',
      input: archiveTokenInput,
      answers: { 200: tokenUrlBody },
      doc: {
        tag: 'Transfers',
        id: 'requestDownloadArchive',
        summary: 'Get a token to download entries as a zip',
        refusals: [...readRefusals, 'transfer_token_limit_reached'],
      },
      handle: async (request) => {
        const token = await requestDownload(request.services, {
          ...tokenRequest(request),
          verb: 'archive',
          paths: request.input.files,
          isArchive: true,
          fileName: request.input.filename ?? null,
        });
        return issued({ token, url: `${request.baseUrl}/download-archive` });
      },
    }),
  ];
}

/** Sending bytes by token: tus without creation. `tokenOf` finds the token in a request. */
function receivingRoutes<Input>(
  digests: DigestCache,
  place: {
    readonly path: string;
    /** What the ids of the operations end in. */
    readonly id: string;
    readonly input: z.ZodType<Input>;
    readonly tokenOf: (request: ApiRequest<Input>) => string;
  },
): readonly Route[] {
  const { path, id, input, tokenOf } = place;
  const common = { path, access: 'public', right: null, body: 'stream', headers: tusHeaders } as const;
  const accessOf = (request: ApiRequest<Input>) => uploadOfToken(request.services, tokenOf(request));
  return [
    defineRoute({
      ...common,
      method: 'OPTIONS',
      input: z.object({}),
      answers: { 204: null },
      doc: { tag: 'Transfers', id: `describe${id}`, summary: 'See what of tus is spoken', ...optionsDoc },
      handle: async () => optionsReply(false),
    }),
    defineRoute({
      ...common,
      input,
      method: 'HEAD',
      answers: { 200: null },
      doc: { tag: 'Transfers', id: `inspect${id}`, summary: 'See how far an upload is', ...headDoc },
      handle: async (request) => headReply(request, await accessOf(request)),
    }),
    defineRoute({
      ...common,
      input,
      method: 'PATCH',
      answers: patchAnswers,
      doc: { tag: 'Transfers', id: `continue${id}`, summary: 'Go on with an upload', ...patchDoc },
      holdsContinue: true,
      isTransfer: true,
      handle: async (request) => patchReply(request, digests, await accessOf(request)),
    }),
  ];
}

function sendingRoutes(): readonly Route[] {
  const common = { access: 'public', right: null, body: 'json', isTransfer: true } as const;
  const described = {
    tag: 'Transfers',
    refusals: ['not_found', ...readRefusals, ...fileRefusals, 'service_unavailable'],
    reads: rangeHeaders,
    sets: contentSets,
  } as const;
  return (['GET', 'HEAD'] as const).flatMap((method) => [
    ...(
      [
        ['/download', 'ByToken'],
        ['/folders/_/download_with_token', 'WithToken'],
      ] as const
    ).map(([path, by]) =>
      defineRoute({
        ...common,
        method,
        path,
        input: downloadInput,
        answers: fileAnswers(['application/octet-stream', 'application/zip']),
        doc: {
          ...described,
          id: method === 'GET' ? `download${by}` : `inspect${by}`,
          summary:
            method === 'GET' ? 'Download what a token is for' : 'See size and ETag of what a token is for',
        },
        handle: download,
      }),
    ),
    defineRoute({
      ...common,
      method,
      path: '/download-archive',
      input: tokenInput,
      answers: fileAnswers(['application/zip']),
      doc: {
        ...described,
        id: method === 'GET' ? 'downloadArchiveByToken' : 'inspectArchiveByToken',
        summary:
          method === 'GET'
            ? 'Download a zip of what a token is for'
            : 'See the size of the zip, if it is known',
      },
      handle: async (request) =>
        sendTokenArchive(request, await selectByToken(request.services, request.input.token, 'archive')),
    }),
  ]);
}

/**
 * Transfers by token, as published clients make them: somebody who is signed in asks for a token, and whoever bears it
 * sends or fetches exactly that. `digests` is shared by all routes that receive bytes.
 */
export function transferRoutes(digests: DigestCache): readonly Route[] {
  return [
    ...uploadTokenRoutes(digests),
    ...downloadTokenRoutes(),
    ...receivingRoutes(digests, {
      path: '/upload',
      id: 'TokenUpload',
      input: tokenInput,
      tokenOf: ({ input }) => input.token,
    }),
    ...receivingRoutes(digests, {
      path: '/folders/_/tus/upload/:token',
      id: 'TokenUploadByPath',
      input: z.object({}),
      tokenOf: ({ params }) => params.token ?? '',
    }),
    ...sendingRoutes(),
  ];
}
