import { z } from 'zod';
import type { ResumableUpload } from '../../db/queries/resumable-uploads.ts';
import { parseId, toHexId } from '../../domain/ids.ts';
import type { Answered, Bare } from '../openapi/answers.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import {
  bringsBytes,
  expiryHeader,
  headReply,
  optionsReply,
  patchReply,
  replyOnceCommitted,
  requireFitting,
  requireTus,
  type UploadAccess,
} from './answers.ts';
import {
  createAnswers,
  createDoc,
  headDoc,
  optionsDoc,
  patchAnswers,
  patchDoc,
  terminateDoc,
} from './described.ts';
import type { DigestCache } from './digests.ts';
import { headerOf, newLength, parseConcat, parseMetadata, tusHeaders } from './headers.ts';
import { createUpload, joinUploads, namedFolder, terminateUpload, type UploadOrder } from './operations.ts';
import { receiveBytes } from './receive.ts';
import { uploadNotFound } from './writer-claim.ts';

const creationInput = z.object({ folder: z.string().optional() });
type CreationRequest = ApiRequest<z.infer<typeof creationInput>>;

function accessOf(request: ApiRequest<unknown>): UploadAccess {
  const id = parseId(request.params.id ?? '');
  if (id === undefined) throw uploadNotFound();
  return { id, userId: request.principal.userId };
}

function orderOf(request: CreationRequest): UploadOrder {
  const header = headerOf(request.headers, 'upload-metadata') ?? '';
  const metadata = parseMetadata(header);
  return {
    userId: request.principal.userId,
    folder: namedFolder(metadata, request.input.folder),
    path: metadata.get('path') ?? metadata.get('filename'),
    metadata: header,
  };
}

/** Relative when the service does not know better: then it is right behind any proxy that ends TLS. */
function locationOf(request: CreationRequest, upload: ResumableUpload): string {
  return `${request.services.publicUrl ?? ''}/uploads/${toHexId(upload.id)}`;
}

async function create(
  request: CreationRequest,
  digests: DigestCache,
): Promise<Bare<201> | Answered<202, { readonly id: string }>> {
  requireTus(request);
  const concat = parseConcat(headerOf(request.headers, 'upload-concat'));
  const order = orderOf(request);
  if (concat.shape === 'final') {
    const final = await joinUploads(request.services, {
      ...order,
      partIds: concat.partIds,
      concat: concat.header,
    });
    const headers = { Location: locationOf(request, final), ...expiryHeader(final) };
    if (final.jobId === null) return { status: 201, headers };
    return replyOnceCommitted<201>(request, final.jobId, { status: 201, headers });
  }
  const lengthBytes = newLength(request.headers);
  const hasBytes = bringsBytes(request);
  requireFitting(request, lengthBytes ?? null);
  const upload = await createUpload(request.services, { ...order, shape: concat.shape, lengthBytes });
  const headers = { Location: locationOf(request, upload), ...expiryHeader(upload) };
  if (!hasBytes && !(lengthBytes === 0 && concat.shape === 'whole')) return { status: 201, headers };
  // A refusal of the bytes leaves the upload to go on with.
  request.outgoing.setHeader('Location', headers.Location);
  const { incoming, signal, acceptBody, verifyBody } = request;
  const received = await receiveBytes(request.services, digests, upload, {
    incoming,
    signal,
    acceptBody,
    verifyBody,
    offsetBytes: 0,
    hasBytes,
  });
  const reply: Bare<201> = {
    status: 201,
    headers: { ...headers, 'Upload-Offset': String(received.offsetBytes) },
  };
  return received.jobId === null ? reply : replyOnceCommitted(request, received.jobId, reply);
}

/** Resumable uploads by tus 1.0.0. `digests` is shared by all routes that receive bytes. */
export function tusRoutes(digests: DigestCache): readonly Route[] {
  const common = { right: null, body: 'stream', headers: tusHeaders } as const;
  const upload = { ...common, path: '/uploads/:id', access: 'user', input: z.object({}) } as const;
  return [
    ...(
      [
        ['/uploads', 'describeUploads'],
        ['/uploads/:id', 'describeUpload'],
      ] as const
    ).map(([path, id]) =>
      defineRoute({
        ...common,
        method: 'OPTIONS',
        path,
        access: 'public',
        input: z.object({}),
        answers: { 204: null },
        doc: { tag: 'Resumable', id, summary: 'See what of tus is spoken', ...optionsDoc },
        handle: async () => optionsReply(true),
      }),
    ),
    defineRoute({
      ...common,
      method: 'POST',
      path: '/uploads',
      access: 'user',
      holdsContinue: true,
      isTransfer: true,
      input: creationInput,
      answers: createAnswers,
      doc: { tag: 'Resumable', id: 'createUpload', summary: 'Begin a resumable upload', ...createDoc },
      handle: (request) => create(request, digests),
    }),
    defineRoute({
      ...upload,
      method: 'HEAD',
      answers: { 200: null },
      doc: { tag: 'Resumable', id: 'inspectUpload', summary: 'See how far an upload is', ...headDoc },
      handle: async (request) => headReply(request, accessOf(request)),
    }),
    defineRoute({
      ...upload,
      method: 'PATCH',
      answers: patchAnswers,
      doc: { tag: 'Resumable', id: 'continueUpload', summary: 'Go on with an upload', ...patchDoc },
      holdsContinue: true,
      isTransfer: true,
      handle: (request) => patchReply(request, digests, accessOf(request)),
    }),
    defineRoute({
      ...upload,
      // Whatever is sent along is read as a whole, so that a signed digest is compared before the upload is gone.
      body: 'json',
      method: 'DELETE',
      answers: { 204: null },
      doc: { tag: 'Resumable', id: 'terminateUpload', summary: 'Give an upload up', ...terminateDoc },
      handle: async (request) => {
        requireTus(request);
        await terminateUpload(request.services, accessOf(request));
        return { status: 204 };
      },
    }),
  ];
}
