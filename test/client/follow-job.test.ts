import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { followJob } from '../../client/follow-job.ts';
import { openHttp } from '../../client/http.ts';
import type { Job } from '../../client/models.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const jobOf = (state: Job['state'], bytes = 0) => ({
  id: 'j',
  kind: 'usage.measure',
  state,
  progress: { entries: 0, bytes, of: null },
  result: null,
  error: null,
  created_at: '2030-01-01T00:00:00Z',
  started_at: null,
  finished_at: null,
});

const eventOf = (id: string, job: unknown) => `id: ${id}\nevent: progress\ndata: ${JSON.stringify(job)}\n\n`;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A service with the given answers to requests for events, one after the other, and to looks at the job. */
async function startService(streams: readonly Answer[], looks: readonly Job['state'][] = []) {
  const asked: string[] = [];
  const [nextStreams, nextLooks] = [[...streams], [...looks]];
  const server = createServer((request, response) => {
    const lastEventId = request.headers['last-event-id'];
    asked.push(`${request.url}${lastEventId === undefined ? '' : ` after ${lastEventId}`}`);
    if (request.url?.endsWith('/events') === true) return nextStreams.shift()?.(request, response);
    response.setHeader('Content-Type', 'application/json');
    return response.end(JSON.stringify(jobOf(nextLooks.shift() ?? 'succeeded')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port }: AddressInfo = Object(server.address());
  const credentials = { kind: 'token', token: 't' } as const;
  const http = openHttp({ url: `http://127.0.0.1:${port}`, credentials, userAgent: 'test' });
  return { asked, http };
}

const stream =
  (text: string, how: 'ends' | 'breaks' | 'stays'): Answer =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(text, () => {
      if (how === 'ends') response.end();
      if (how === 'breaks') setImmediate(() => response.destroy());
    });
  };

const refusal =
  (status: number, code: string): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/problem+json', 'Retry-After': '1' });
    response.end(JSON.stringify({ status, code, title: code }));
  };

async function follow(http: Awaited<ReturnType<typeof startService>>['http'], signal?: AbortSignal) {
  const seen: string[] = [];
  const onLook = ({ state, progress }: Job) => void seen.push(`${state} ${progress?.bytes}`);
  const job = await followJob(http, 'j', { onLook, signal });
  return { seen, state: job.state };
}

it('hears every event of one request, and ends with the job', async () => {
  const text = `retry: 1\n\n${eventOf('a', jobOf('queued'))}: x\n\n${eventOf('b', jobOf('running', 5))}${eventOf('c', jobOf('failed', 7))}`;
  const { asked, http } = await startService([stream(text, 'stays')]);
  expect(await follow(http)).toEqual({ seen: ['queued 0', 'running 5', 'failed 7'], state: 'failed' });
  expect(asked).toEqual(['/jobs/j/events']);
});

it('goes on after the last event when a stream ends or breaks', async () => {
  const { asked, http } = await startService([
    stream(eventOf('a', jobOf('queued')), 'ends'),
    stream(`${eventOf('b', jobOf('running', 1))}id: c\ndata: {"cut`, 'breaks'),
    stream(eventOf('d', jobOf('succeeded', 2)), 'stays'),
  ]);
  expect(await follow(http)).toEqual({ seen: ['queued 0', 'running 1', 'succeeded 2'], state: 'succeeded' });
  expect(asked).toEqual(['/jobs/j/events', '/jobs/j/events after a', '/jobs/j/events after b']);
});

it.each([
  ['an older service has no events', refusal(404, 'not_found')],
  ['there are too many streams', refusal(429, 'requests_busy')],
  ['something else answers', (_request: IncomingMessage, response: ServerResponse) => response.end('<html>')],
  [
    'the end was heard before',
    (_request: IncomingMessage, response: ServerResponse) => response.writeHead(204).end(),
  ],
  ['events are none of ours', stream('data: nonsense\n\n', 'stays')],
])('looks at the job where %s', async (_why, answer) => {
  const { asked, http } = await startService(
    Array.from({ length: 3 }, () => answer),
    ['running', 'succeeded'],
  );
  expect(await follow(http)).toEqual({ seen: ['running 0', 'succeeded 0'], state: 'succeeded' });
  expect(asked.filter((path) => path === '/jobs/j')).toHaveLength(2);
});

it('looks at the job where a proxy holds the events back', async () => {
  const { asked, http } = await startService([stream(': held back\n\n', 'stays')]);
  expect(await follow(http)).toEqual({ seen: ['succeeded 0'], state: 'succeeded' });
  expect(asked).toEqual(['/jobs/j/events', '/jobs/j']);
}, 30_000);

it('looks at the job after streams that bring nothing new', async () => {
  const same = stream(eventOf('a', jobOf('running')), 'ends');
  const { asked, http } = await startService([same, same, same, same]);
  expect(await follow(http)).toMatchObject({ state: 'succeeded' });
  expect(asked).toHaveLength(5);
});

it('ends at once when it is not wanted any more', async () => {
  const controller = new AbortController();
  const { asked, http } = await startService([stream(eventOf('a', jobOf('running')), 'stays')]);
  const following = followJob(http, 'j', {
    signal: controller.signal,
    onLook: () => controller.abort(new Error('enough')),
  });
  await expect(following).rejects.toThrow('enough');
  expect(asked).toEqual(['/jobs/j/events']);
});
