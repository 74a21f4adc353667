import { z } from 'zod';
import { domainError } from '../../domain/errors.ts';
import { readBytes } from '../http/body.ts';
import { type ApiRequest, defineRoute, type Reply, type Route } from '../route.ts';
import type { Services } from '../services.ts';
import { readWorkers } from '../workers/operations.ts';
import type { Board } from './board.ts';
import { boardPath, boardPolicy } from './board-page.ts';

const bodyBytesMax = 64 * 1024;
const bodyMsMax = 10_000;

const boards = new WeakMap<Services, Promise<Board>>();

function boardOf(services: Services): Promise<Board> {
  const board = boards.get(services) ?? openBoard(services);
  boards.set(services, board);
  return board;
}

// Loaded when somebody looks: it is large, and most processes are never asked for it.
async function openBoard(services: Services): Promise<Board> {
  const { jobs, isDashboardReadOnly } = services;
  const { makeBoard } = await import('./board.ts');
  return makeBoard({
    admin: jobs.admin,
    cancel: jobs.cancel,
    workers: () => readWorkers(services),
    isReadOnly: isDashboardReadOnly,
  });
}

async function toWebRequest({ incoming }: ApiRequest<object>): Promise<Request> {
  const method = incoming.method ?? 'GET';
  const body =
    method === 'GET'
      ? undefined
      : await readBytes(incoming, { bytesMax: bodyBytesMax, arrivalMsMax: bodyMsMax });
  return new Request(`http://dashboard${incoming.url}`, {
    method,
    ...(body === undefined || body.length === 0 ? {} : { body: new Uint8Array(body) }),
    headers: { 'content-type': incoming.headers['content-type'] ?? 'application/json' },
  });
}

async function handleBoard(request: ApiRequest<object>): Promise<Reply> {
  const { outgoing, services } = request;
  const board = await boardOf(services);
  const response = await board(await toWebRequest(request));
  if (response.status === 404) throw domainError('not_found', 'The dashboard has no such page.');
  const bytes = Buffer.from(await response.arrayBuffer());
  const isAsset = request.incoming.url?.startsWith(`${boardPath}/static/`) === true;
  outgoing.writeHead(response.status, {
    'Content-Type': response.headers.get('content-type') ?? 'application/octet-stream',
    'Content-Security-Policy': boardPolicy,
    'Referrer-Policy': 'same-origin',
    'Content-Length': bytes.length,
    // The names of assets change with their content.
    ...(isAsset ? { 'Cache-Control': 'private, max-age=86400' } : {}),
  });
  outgoing.end(response.status === 204 ? undefined : bytes);
  return 'sent';
}

function boardRoute(method: Route['method']): Route {
  return defineRoute({
    method,
    path: `${boardPath}/*`,
    access: 'admin',
    right: null,
    body: 'stream',
    isPage: true,
    input: z.object({}),
    handle: handleBoard,
  });
}

/** The dashboard of the queues. */
export const dashboardRoutes: readonly Route[] = [
  boardRoute('GET'),
  boardRoute('PUT'),
  boardRoute('POST'),
  boardRoute('PATCH'),
];
