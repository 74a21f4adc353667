import { z } from 'zod';
import { domainError } from '../../domain/errors.ts';
import { readerOf, selectFiles } from '../downloads/operations.ts';
import { readRefusals } from '../downloads/schemas.ts';
import { sendDownload } from '../downloads/send-download.ts';
import { queryBoolean } from '../http/schema.ts';
import { fileAnswers, fileRefusals, sendFile } from '../http/send-file.ts';
import { contentSets, rangeHeaders } from '../openapi/headers.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';

const singleInput = z.object({ file: z.string(), archive: queryBoolean.default(false) });

/** One file with ranges; a directory only as an archive, which is a zip made on the way. */
async function sendSingle(request: ApiRequest<z.infer<typeof singleInput>>): Promise<'sent'> {
  const { services, principal, params, input, profile } = request;
  const selection = await selectFiles(services, {
    ...readerOf(principal),
    nameOrId: params.name ?? '',
    files: [input.file],
  });
  const [entry] = selection.entries;
  if (entry?.stat.kind === 'file') {
    return await sendFile(request, {
      file: await selection.volume.open(selection.folder.id, entry.path),
      fileName: entry.path.at(-1) ?? '',
      contentType: 'application/octet-stream',
      mayRead: selection.mayRead,
    });
  }
  if (!input.archive) {
    throw domainError('entry_not_regular', 'A directory can only be downloaded as an archive.');
  }
  // The length of an archive is known when it has been sent, so a HEAD says no more than that there is one.
  if (request.incoming.method === 'HEAD') {
    request.outgoing.writeHead(200, { 'Content-Type': 'application/zip' }).end();
    return 'sent';
  }
  return await sendDownload(request, selection, { profile, format: 'zip', services: request.services });
}

/** Downloads of one entry named by a parameter. */
export const downloadClientRoutes: readonly Route[] = (['GET', 'HEAD'] as const).map((method) =>
  defineRoute({
    method,
    path: '/folders/:name/download_single',
    access: 'user',
    right: 'read',
    body: 'json',
    isTransfer: true,
    input: singleInput,
    answers: fileAnswers(['application/octet-stream', 'application/zip']),
    doc: {
      tag: 'Clients',
      id: method === 'GET' ? 'downloadSingle' : 'inspectSingle',
      summary:
        method === 'GET' ? 'Download one file, or a directory as a zip' : 'See size and ETag of one file',
      refusals: [...readRefusals, ...fileRefusals],
      reads: rangeHeaders,
      sets: contentSets,
    },
    handle: sendSingle,
    client: { aliases: { path: 'file' } },
  }),
);
