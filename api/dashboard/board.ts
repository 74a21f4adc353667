import { randomUUID } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { type BoardAccess, JobRowsAdapter } from './board-adapter.ts';
import { boardPath } from './board-page.ts';

/** What may be changed through the dashboard; the rest of the library's buttons do to a queue what nobody should. */
const changes = new Set([
  '/api/queues/pause',
  '/api/queues/resume',
  '/api/queues/:queueName/pause',
  '/api/queues/:queueName/resume',
  '/api/queues/:queueName/concurrency',
  '/api/queues/:queueName/:jobId/retry',
  '/api/queues/:queueName/:jobId/clean',
]);

/** What the library asks of its own queues only. */
const unknown = new Set(['/api/queues/:queueName/:jobId/flow']);

const foreignLink = /<link[^>]*href="https?:\/\/[^>]*>/g;

/** Answers a request for the dashboard; `url` has the path as it is in the browser. */
export type Board = (request: Request) => Promise<Response>;

/** Builds the dashboard over every queue. What goes wrong rejects, as it was thrown. */
export function makeBoard(access: BoardAccess): Board {
  const serverAdapter = new HonoAdapter(serveStatic);
  const basePath = `${access.pathPrefix}${boardPath}`;
  serverAdapter.setBasePath(basePath);
  createBullBoard({
    queues: access.admin.queues.map((queue) => new JobRowsAdapter(queue, access)),
    serverAdapter,
    options: {
      uiConfig: {
        boardTitle: 'VFolder queues',
        hideDocsLink: true,
        hideRedisDetails: true,
        showWorkers: true,
        showMetrics: false,
        overview: { groupByDelimiter: false },
        ...(access.isReadOnly ? { environment: { label: 'read only', color: '#64748b' } } : {}),
      },
      handlerHooks: {
        before: ({ method, route }) => {
          if (unknown.has(route)) return { allow: false, status: 404, message: 'There is no such page.' };
          if (method === 'get' || (changes.has(route) && !access.isReadOnly)) return { allow: true };
          return { allow: false, status: 405, message: 'The service does this by itself, or not at all.' };
        },
      },
    },
  });
  // The library answers with the text of whatever was thrown; it is kept here under the text of that answer.
  const thrown = new Map<string, unknown>();
  serverAdapter.setErrorHandler((error) => {
    const body = randomUUID();
    thrown.set(body, error);
    return { status: 500, body };
  });
  const app = new Hono();
  app.route(basePath, serverAdapter.registerPlugin());
  return async (request) => {
    const response = await app.fetch(request);
    if (response.status === 500) {
      const body = await response.text();
      const error = thrown.get(body) ?? new Error(`The dashboard failed: ${body}`);
      thrown.delete(body);
      throw error;
    }
    if (!(response.headers.get('content-type') ?? '').startsWith('text/html')) return response;
    const html = (await response.text()).replaceAll(foreignLink, '');
    return new Response(html, { status: response.status, headers: response.headers });
  };
}
