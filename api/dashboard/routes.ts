import { z } from 'zod';
import { domainError } from '../../domain/errors.ts';
import { requireNoOtherSite } from '../auth/session.ts';
import { readBytes } from '../http/body.ts';
import { pathPrefixOf } from '../http/public-path.ts';
import { cancelJob, retryJob } from '../jobs/operations.ts';
import type { Answers } from '../openapi/answers.ts';
import { operatorOf } from '../operator.ts';
import { changeSetting, retryFailed } from '../queue-settings/operations.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import type { Services } from '../services.ts';
import { readWorkers } from '../workers/operations.ts';
import type { Board } from './board.ts';
import type { BoardButtons } from './board-adapter.ts';
import { boardPath, boardPolicy } from './board-page.ts';

const bodyBytesMax = 64 * 1024;
const bodyMsMax = 10_000;

const boards = new WeakMap<Services, Promise<Board>>();

/** HEAD is answered by what answers GET. */
function isLook({ incoming }: ApiRequest<object>): boolean {
  return incoming.method === 'GET' || incoming.method === 'HEAD';
}

/** Who only looks shares one; who presses a button gets one of their own, which knows whose doing it is. */
function boardOf(request: ApiRequest<object>): Promise<Board> {
  const { services } = request;
  if (!isLook(request)) return openBoard(services, buttonsFor(request));
  const board = boards.get(services) ?? openBoard(services, undefined);
  boards.set(services, board);
  return board;
}

function buttonsFor(request: ApiRequest<object>): BoardButtons {
  const { services, principal, requestId } = request;
  const operator = operatorOf(request);
  return {
    change: (queue, change) => changeSetting(services, queue, { operator, change }),
    retry: (jobId) => retryJob(services, { principal, requestId, jobId }),
    cancel: (jobId) => cancelJob(services, { principal, requestId, jobId }),
  };
}

// Loaded when somebody looks: it is large, and most processes are never asked for it.
async function openBoard(services: Services, buttons: BoardButtons | undefined): Promise<Board> {
  const { jobs, isDashboardReadOnly } = services;
  const { makeBoard } = await import('./board.ts');
  return makeBoard({
    admin: jobs.admin,
    buttons,
    workers: () => readWorkers(services),
    isReadOnly: isDashboardReadOnly,
    pathPrefix: pathPrefixOf(services.publicUrl),
  });
}

async function toWebRequest(request: ApiRequest<object>): Promise<Request> {
  const { incoming, services } = request;
  const method = isLook(request) ? 'GET' : (incoming.method ?? 'GET');
  const body =
    method === 'GET'
      ? undefined
      : await readBytes(incoming, { bytesMax: bodyBytesMax, arrivalMsMax: bodyMsMax });
  return new Request(`http://dashboard${pathPrefixOf(services.publicUrl)}${incoming.url}`, {
    method,
    ...(body === undefined || body.length === 0 ? {} : { body: new Uint8Array(body) }),
    headers: { 'content-type': incoming.headers['content-type'] ?? 'application/json' },
  });
}

/** The queue and the state of "Retry all", which the library would try for some jobs and then leave at the first that may not. */
const retryAll = /^\/api\/queues\/([^/?]+)\/retry\/([a-z]+)$/;

async function handleRetryAll(
  request: ApiRequest<object>,
  [, name = '', state]: RegExpExecArray,
): Promise<{ readonly status: 200; readonly body: { readonly retried: number; readonly skipped: number } }> {
  const { services, principal, requestId } = request;
  if (services.isDashboardReadOnly) throw domainError('method_not_allowed', 'The dashboard only shows.');
  if (state !== 'failed') throw domainError('job_not_retriable', 'Only failed jobs can be retried.');
  const body = await retryFailed(services, { principal, requestId, name: decodeURIComponent(name) });
  return { status: 200, body };
}

async function handleBoard(request: ApiRequest<object>) {
  const { outgoing, incoming, services } = request;
  if (!isLook(request)) requireNoOtherSite(incoming.headers, services.publicUrl);
  const pressed =
    incoming.method === 'PUT' ? retryAll.exec(incoming.url?.slice(boardPath.length) ?? '') : null;
  if (pressed !== null) return await handleRetryAll(request, pressed);
  const board = await boardOf(request);
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
  return 'sent' as const;
}

interface BoardMethod {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH';
  readonly summary: string;
  readonly answers: Answers;
}

function boardRoute({ method, summary, answers }: BoardMethod): Route {
  return defineRoute({
    method,
    path: `${boardPath}/*`,
    access: 'admin',
    right: null,
    body: 'stream',
    isPage: true,
    input: z.object({}),
    answers,
    doc: {
      tag: 'Administration',
      id: `${method.toLowerCase()}QueuesPage`,
      summary,
      isForPeople: true,
      refusals: method === 'GET' ? ['not_found'] : ['not_found', 'origin_refused'],
    },
    handle: handleBoard,
  });
}

const page = { media: ['text/html', 'application/json', 'text/javascript', 'text/css', 'image/svg+xml'] };
const outcome = { media: ['application/json'] };

/** The dashboard of the queues. */
export const dashboardRoutes: readonly Route[] = [
  boardRoute({
    method: 'GET',
    summary: 'See the dashboard of the queues',
    answers: { 200: page, 303: null },
  }),
  boardRoute({
    method: 'PUT',
    summary: 'Press a button of the dashboard',
    answers: { 200: outcome, 204: { media: [] }, 400: outcome, 405: outcome },
  }),
  boardRoute({ method: 'POST', summary: 'Is refused', answers: { 405: outcome } }),
  boardRoute({ method: 'PATCH', summary: 'Is refused', answers: { 405: outcome } }),
];
