import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import type { Client } from '../support/http-client.ts';
import { awaitJob } from '../support/jobs.ts';
import { at } from '../support/json.ts';
import type { QueueBackend } from '../support/service.ts';
import type { TestFolder } from '../support/users.ts';
import { createFolderOn } from '../workers/create-folder-on.ts';
import { openVolumeStage, type VolumeStage } from './volume-stage.ts';

const rounds = 8;
const answersPerRound = 12;

interface Load {
  /** What was acknowledged, by path. */
  readonly files: Map<string, Buffer>;
  readonly jobIds: string[];
  readonly findings: string[];
  refused: number;
  answers: number;
}

/** Uploads and deletes until `over`; whatever is not acknowledged has to be refused with the one code. */
async function act(client: Client, folder: TestFolder, word: string, load: Load, over: AbortSignal) {
  const note = (what: string, answer: { readonly status: number; readonly json: unknown }) => {
    load.answers += 1;
    if (answer.status === 202) load.jobIds.push(String(at(answer.json, 'id')));
    if (answer.status < 300) return true;
    if (at(answer.json, 'code') === 'volume_read_only') load.refused += 1;
    else load.findings.push(`${what}: ${answer.status} ${JSON.stringify(answer.json)}`);
    return false;
  };
  for (let turn = 0; !over.aborted; turn += 1) {
    const name = `${word}-${turn}`;
    const bytes = randomBytes(1_000 + (turn % 5) * 30_000);
    const headers = { Prefer: 'wait=1' };
    const put = await client.call('POST', folder.path('upload'), {
      parts: [{ fileName: name, bytes }],
      headers,
    });
    if (!note(name, put)) continue;
    load.files.set(name, bytes);
    if (turn % 4 !== 3 || put.status !== 201) continue;
    const removed = await client.call('DELETE', folder.path('files', name), { headers });
    if (note(`delete ${name}`, removed)) load.files.delete(name);
  }
}

/** Kills one worker and starts another. */
async function replaceWorker(stage: VolumeStage): Promise<void> {
  const [victim] = stage.workers.splice(0, 1);
  if (victim !== undefined) process.kill(victim.pid, 'SIGKILL');
  await victim?.exited;
  await stage.startWorker();
}

/** Closes and opens the volume, each for as long as it takes to answer some requests. */
async function flap(stage: VolumeStage, load: Load): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const wanted = load.answers + answersPerRound;
    await stage.set('east', round % 2 === 0 ? 'read_only' : 'active');
    if (round % 4 === 2) await replaceWorker(stage);
    await eventually(() => expect(load.answers).toBeGreaterThan(wanted), { timeoutMs: 60_000 });
  }
}

function describeFlapping(backend: QueueBackend): void {
  let stage: VolumeStage;
  beforeAll(async () => {
    stage = await openVolumeStage(backend);
  });
  afterAll(() => stage?.close());

  it('keeps what it acknowledged while its volume is closed and opened, and its workers are killed', {
    timeout: 180_000,
  }, async () => {
    const folder = await createFolderOn(stage.ada.client, 'east');
    const load: Load = { files: new Map(), jobIds: [], findings: [], refused: 0, answers: 0 };
    const over = new AbortController();
    await Promise.all([stage.startWorker(), stage.startWorker()]);
    const loops = [stage.ada.client, stage.elsewhere].flatMap((client, api) =>
      ['a', 'b'].map((word) => act(client, folder, `${word}${api}`, load, over.signal)),
    );
    await flap(stage, load);
    over.abort();
    await Promise.all(loops);
    await stage.set('east', 'active');
    for (const id of load.jobIds) {
      expect((await awaitJob(stage.ada.client, id)).state, id).toBe('succeeded');
    }
    expect(load.findings).toEqual([]);
    expect(load.refused).toBeGreaterThan(0);
    expect(load.files.size).toBeGreaterThan(0);
    for (const [name, bytes] of load.files) {
      const read = await stage.elsewhere.call('GET', folder.path('files', name));
      expect(read.bytes.equals(bytes), name).toBe(true);
    }
    await eventually(async () => {
      const counted = await stage.ada.client.call('POST', folder.path('recalculate'));
      expect(counted.json).toMatchObject({
        after: { files: load.files.size },
        drift: { bytes: 0, files: 0 },
      });
    });
    const reserved = await stage.ada.client.call('GET', folder.path('usage'));
    expect(reserved.json).toMatchObject({ reserved: { bytes: 0, files: 0 } });
  });
}

describeEachQueue('a volume that is closed and opened under load', describeFlapping);
