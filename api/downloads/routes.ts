import { sendFile } from '../http/send-file.ts';
import { type ApiRequest, defineRoute, type Reply, type Route } from '../route.ts';
import { openEntry, selectFiles } from './operations.ts';
import { contentInput, downloadInput } from './schemas.ts';
import { sendDownload } from './send-download.ts';

async function sendContent(request: ApiRequest<unknown>): Promise<Reply> {
  const { params, principal } = request;
  const { path, file, mayRead } = await openEntry(request.services, {
    userId: principal.userId,
    nameOrId: params.name ?? '',
    path: params.path ?? '',
  });
  return await sendFile(request, {
    file,
    mayRead,
    fileName: path.at(-1) ?? '',
    contentType: 'application/octet-stream',
  });
}

/** Routes that read the content of files. */
export const downloadRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/folders/:name/download',
    access: 'user',
    right: 'read',
    body: 'json',
    isTransfer: true,
    input: downloadInput,
    handle: async (request) => {
      const selection = await selectFiles(request.services, {
        userId: request.principal.userId,
        nameOrId: request.params.name ?? '',
        files: request.input.files,
      });
      const { profile, input, services } = request;
      return await sendDownload(request, selection, { profile, format: input.format, services });
    },
  }),
  ...(['GET', 'HEAD'] as const).map((method) =>
    defineRoute({
      method,
      path: '/folders/:name/files/:path{.+}',
      access: 'user',
      right: 'read',
      body: 'json',
      isTransfer: true,
      input: contentInput,
      handle: sendContent,
    }),
  ),
];
