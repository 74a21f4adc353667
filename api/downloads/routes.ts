import { fileAnswers, fileRefusals, sendFile } from '../http/send-file.ts';
import { contentSets, rangeHeaders } from '../openapi/headers.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { contentTypes } from './content-types.ts';
import { openEntry, readerOf, selectFiles } from './operations.ts';
import { contentInput, downloadInput, readRefusals } from './schemas.ts';
import { sendDownload } from './send-download.ts';

const fileType = 'application/octet-stream';

async function sendContent(request: ApiRequest<unknown>): Promise<'sent'> {
  const { params, principal } = request;
  const { path, file, mayRead } = await openEntry(request.services, {
    ...readerOf(principal),
    nameOrId: params.name ?? '',
    path: params.path ?? '',
  });
  return await sendFile(request, {
    file,
    mayRead,
    fileName: path.at(-1) ?? '',
    contentType: fileType,
  });
}

/** Routes that read the content of files. */
export const downloadRoutes: readonly Route[] = [
  ...(['GET', 'HEAD'] as const).map((method) =>
    defineRoute({
      method,
      path: '/folders/:name/download',
      access: 'user',
      right: 'read',
      body: 'json',
      isTransfer: true,
      input: downloadInput,
      answers: fileAnswers([fileType, ...Object.values(contentTypes), 'multipart/mixed']),
      doc: {
        tag: 'Files',
        id: method === 'GET' ? 'downloadFiles' : 'inspectDownload',
        summary:
          method === 'GET'
            ? 'Download a file, or several as an archive'
            : 'See in which form files are downloaded',
        refusals: [...readRefusals, ...fileRefusals],
        reads: rangeHeaders,
        sets: contentSets,
      },
      handle: async (request) => {
        const selection = await selectFiles(request.services, {
          ...readerOf(request.principal),
          nameOrId: request.params.name ?? '',
          files: request.input.files,
        });
        const { profile, input, services } = request;
        return await sendDownload(request, selection, { profile, format: input.format, services });
      },
    }),
  ),
  ...(['GET', 'HEAD'] as const).map((method) =>
    defineRoute({
      method,
      path: '/folders/:name/files/:path{.+}',
      access: 'user',
      right: 'read',
      body: 'json',
      isTransfer: true,
      input: contentInput,
      answers: fileAnswers([fileType]),
      doc: {
        tag: 'Files',
        id: method === 'GET' ? 'getFile' : 'inspectFile',
        summary: method === 'GET' ? 'Read one file' : 'See size and ETag of one file',
        refusals: [...readRefusals, ...fileRefusals],
        reads: rangeHeaders,
        sets: contentSets,
      },
      handle: sendContent,
    }),
  ),
];
