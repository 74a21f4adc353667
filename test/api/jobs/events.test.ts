import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { jobEvents } from '../../../api/jobs/events.ts';
import type { Services } from '../../../api/services.ts';
import type { JobView } from '../../../jobs/job-client.ts';
import type { JobWatch } from '../../../jobs/watch.ts';

const job: JobView = {
  id: randomUUID(),
  kind: 'usage.measure',
  state: 'running',
  folderId: null,
  actorId: null,
  progress: null,
  result: null,
  errorCode: null,
  errorDetail: null,
  attempt: 0,
  createdAt: new Date(0),
  startedAt: null,
  finishedAt: null,
};

const { signal } = new AbortController();

/** Events of a job that gives `news` one by one and is quiet in between, for `beats` heartbeats each time. */
async function collect(news: readonly JobView[], beats: number, stopping?: AbortSignal): Promise<string[]> {
  let ended = 0;
  const left = news.flatMap((one) => [one, ...Array.from({ length: beats }, () => undefined)]);
  const watch: JobWatch = {
    // A heartbeat of 0 ms is due whenever there is no news.
    next: async () => left.shift() as JobView | undefined,
    isOver: () => false,
    end: () => {
      ended += 1;
    },
  };
  const services = { jobs: { watch: () => watch }, stopping } as unknown as Services;
  const texts: string[] = [];
  const events = jobEvents({ services, signal }, job.id, { heartbeatMs: 0 });
  for await (const event of events) texts.push(event.toString());
  expect(ended).toBe(1);
  return texts;
}

it('sends a comment whenever there is nothing to tell, and nothing after the end', async () => {
  const end = { ...job, state: 'succeeded', finishedAt: new Date(1) } as const;
  const [hello, first, beat, again, last, ...more] = await collect([job, end], 2);
  expect(hello).toBe('retry: 1000\n\n');
  expect(first).toMatch(/^id: [\w-]{22}\nevent: progress\ndata: \{.*"state":"running".*\}\n\n$/);
  expect([beat, again]).toEqual([': still here\n\n', ': still here\n\n']);
  expect(last).toMatch(/^id: [\w-]{22}\nevent: end\ndata: \{.*"state":"succeeded".*\}\n\n$/);
  expect(more).toEqual([]);
});

it('tells a state once, and ends without one when the process stops', async () => {
  const stopping = new AbortController();
  stopping.abort();
  expect(await collect([job], 0, stopping.signal)).toEqual(['retry: 1000\n\n']);
  const twice = await collect([job, { ...job }, { ...job, state: 'cancelled' }], 0);
  expect(twice.map((text) => /event: (\w+)/.exec(text)?.[1])).toEqual([undefined, 'progress', 'end']);
});
