import { and, eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { jobs } from '../../db/schema/jobs.ts';
import { describeEachBackend } from '../support/backends.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

describeEachBackend('the trace of a job', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  /** A commit that has no run left: it is given up, and a measurement is to mend what its runs may have left. */
  async function giveUp(given: string | null) {
    const { db } = backend.database;
    const { jobId } = await stage.stageUpload({ a: 'x' });
    await db.update(jobs).set({ traceparent: given, attempt: 1_000 }).where(eq(jobs.id, jobId));
    await stage.start();
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'failed' });
    const [left, ...more] = await db
      .select()
      .from(jobs)
      .where(and(eq(jobs.kind, 'usage.measure'), eq(jobs.folderId, stage.folderId)));
    expect([left?.kind, ...more]).toEqual(['usage.measure']);
    const line = stage.jobs.log.events.find(
      ({ event, fields }) => event === 'job.failed' && fields.job_id === jobId,
    );
    return { left: left?.traceparent, logged: line?.fields.trace_id };
  }

  it('is that of the jobs it leaves behind, and of its log lines', async () => {
    expect(await giveUp(traceparent)).toEqual({ left: traceparent, logged: traceId });
  });

  it.each([null, 'nonsense'])('is none where its row says %j, and nothing suffers', async (given) => {
    expect(await giveUp(given)).toEqual({ left: null, logged: undefined });
  });
});
