import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { volumes } from '../../db/schema/volumes.ts';
import type { VolumeState } from '../../domain/volume-state.ts';
import type { JobHandler } from '../../jobs/handler.ts';
import type { OpenJobClient } from '../../jobs/open-job-client.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { gate } from '../support/gate.ts';
import { aborted, archivePayload, makeStage, type Stage } from './job-stage.ts';

describeEachBackend('jobs of a volume and its state', (backend) => {
  let stage: Stage;
  let client: OpenJobClient;
  const db = () => backend.database.db;
  beforeEach(async () => {
    stage = makeStage(backend);
    client = await stage.openClient();
  });
  afterEach(async () => {
    await stage.close();
    await db().delete(volumes);
  });

  const set = (state: VolumeState, by = client) =>
    by.volumeStates.change('local', { state, note: async () => undefined });
  const archive = (run: JobHandler<'archive.build'>['run']) => ({ 'archive.build': { run } });
  const submitArchive = () => stage.submit(client, { kind: 'archive.build', payload: archivePayload });
  const done: JobHandler['run'] = async () => ({ result: 'done' });

  it('are known by every process, told or not, and at the start', async () => {
    const other = await stage.openClient();
    const heard: VolumeState[] = [];
    other.volumeStates.subscribe(() => heard.push(other.volumeStates.stateOf('local')));
    await set('read_only');
    expect(client.volumeStates.stateOf('local')).toBe('read_only');
    await eventually(() => expect(heard).toEqual(['read_only']));
    expect((await stage.openClient()).volumeStates.stateOf('local')).toBe('read_only');
    // Without any notification.
    await db().execute(sql`UPDATE volumes SET state = 'draining'`);
    await eventually(() => {
      expect(client.volumeStates.stateOf('local')).toBe('draining');
      expect(other.volumeStates.stateOf('local')).toBe('draining');
    });
    expect(client.volumeStates.stateOf('other')).toBe('active');
  });

  it('tells what was set before, one change after the other', async () => {
    const other = await stage.openClient();
    const seen: VolumeState[] = [];
    const change = (by: OpenJobClient, state: VolumeState) =>
      by.volumeStates.change('local', { state, note: async (_tx, before) => void seen.push(before) });
    await Promise.all(
      Array.from({ length: 10 }, () => [client, other].map((by) => change(by, 'draining'))).flat(),
    );
    expect(seen.filter((state) => state === 'active')).toHaveLength(1);
    expect(seen).toHaveLength(20);
  });

  it('holds up work that writes, lets work go on that reads, and writes on other volumes', async () => {
    await set('read_only');
    await stage.openConsumer(client, { ...archive(done), 'usage.measure': { run: done } });
    const id = await submitArchive();
    for (let round = 0; round < 3; round += 1) {
      await stage.ended(await stage.submit(client));
      client.dispatch([id]);
      expect(await stage.find(id)).toMatchObject({ state: 'queued', attempt: 0, startedAt: null });
    }
    await set('draining');
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', attempt: 0 });
  });

  it('stops a run that writes, which goes on from its checkpoint and has lost no attempt', async () => {
    const started = gate();
    const checkpoints: unknown[] = [];
    await stage.openConsumer(
      client,
      archive(async ({ job, signal, fenced }) => {
        checkpoints.push(job.checkpoint);
        if (checkpoints.length > 1) return { result: job.attempt };
        await fenced(async () => undefined, { at: 7 });
        started.open();
        await aborted(signal);
        throw signal.reason;
      }),
    );
    const id = await submitArchive();
    await started.opened;
    await set('read_only');
    await eventually(async () => expect(await stage.find(id)).toMatchObject({ state: 'queued', attempt: 0 }));
    expect(checkpoints).toEqual([null]);
    await set('active');
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', result: 0 });
    expect(checkpoints).toEqual([null, { at: 7 }]);
  });

  it('lets a run that reads go on', async () => {
    const [started, end] = [gate(), gate()];
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ signal }) => {
          started.open();
          await end.opened;
          return { result: signal.aborted };
        },
      },
    });
    const id = await stage.submit(client);
    await started.opened;
    await set('read_only');
    end.open();
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', result: false });
  });

  it('leaves a run whose worker was lost where it is, until the volume is active', async () => {
    const id = await submitArchive();
    await db().execute(sql`
      UPDATE jobs SET state = 'running', fence = 1, lease_owner = 'gone', started_at = now(),
        lease_until = now() - interval '1 second', next_dispatch_at = now() WHERE id = ${id}`);
    await set('read_only');
    await stage.openConsumer(client, { ...archive(done), 'usage.measure': { run: done } });
    await stage.ended(await stage.submit(client));
    expect(await stage.find(id)).toMatchObject({ state: 'running', attempt: 0 });
    await set('active');
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', attempt: 1 });
  });

  it('ends what is cancelled meanwhile, without a run', async () => {
    await set('read_only');
    let runs = 0;
    await stage.openConsumer(
      client,
      archive(async () => {
        runs += 1;
        return { result: null };
      }),
    );
    const id = await submitArchive();
    await client.cancel(id);
    expect(await stage.ended(id)).toMatchObject({ state: 'cancelled' });
    expect(runs).toBe(0);
  });
});
