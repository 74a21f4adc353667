import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { findFreePort } from '../../support/free-port.ts';
import type { TestProcess } from '../../support/process.ts';
import { describeEachQueue } from '../limits/each-queue.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { awaitJob } from '../support/jobs.ts';
import { textAt } from '../support/json.ts';
import {
  type Ground,
  layGround,
  prepareGround,
  type QueueBackend,
  startApi,
  startWorker,
} from '../support/service.ts';
import { createFolder, createUser, type TestFolder, type TestUser } from '../support/users.ts';
import {
  type BalancedAnswer,
  type BalancedCall,
  type BalancedClient,
  createBalancedClient,
} from './balanced-client.ts';

const boundary = 'rolling';
/** Answers between two restarts. */
const answersPerRound = 25;

/** What the clients know of their folder. */
interface Load {
  readonly files: Map<string, Buffer>;
  readonly jobIds: string[];
  readonly findings: string[];
  answers: number;
}

function uploadBody(name: string, bytes: Buffer): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="src"; filename="${name}"\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

/** One of the clients: its own corner of a folder, and what it knows of it. */
interface Corner {
  readonly client: BalancedClient;
  readonly folder: TestFolder;
  readonly name: string;
  readonly load: Load;
}

/** Sends a request and notes any answer but the documented one. @returns the answer, if it is that */
async function expectAnswer(
  { client, load }: Corner,
  call: BalancedCall,
  status: number,
): Promise<BalancedAnswer | undefined> {
  const answer = await client.call(call);
  load.answers += 1;
  if (answer.status === status) return answer;
  load.findings.push(`${call.method} ${call.path}: ${answer.status} ${answer.body}`);
  return undefined;
}

async function uploadAndRead(corner: Corner, name: string, sizeBytes: number): Promise<void> {
  const { folder, load } = corner;
  const bytes = randomBytes(sizeBytes);
  const upload = {
    method: 'POST',
    path: folder.path('upload'),
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: uploadBody(name, bytes),
  };
  if ((await expectAnswer(corner, upload, 201)) !== undefined) load.files.set(name, bytes);
  const path = folder.path('files', ...name.split('/'));
  const read = await expectAnswer(corner, { method: 'GET', path }, 200);
  if (read !== undefined && !read.body.equals(bytes)) load.findings.push(`${name} has other bytes`);
}

async function remove(corner: Corner, name: string): Promise<void> {
  const path = corner.folder.path('files', ...name.split('/'));
  const removed = await expectAnswer(corner, { method: 'DELETE', path }, 204);
  if (removed !== undefined) corner.load.files.delete(name);
}

async function archive(corner: Corner, name: string): Promise<void> {
  const body = Buffer.from(JSON.stringify({ files: [name] }));
  const path = corner.folder.path('archives');
  const call = { method: 'POST', path, contentType: 'application/json', body };
  const asked = await expectAnswer(corner, call, 202);
  if (asked !== undefined) corner.load.jobIds.push(textAt(JSON.parse(asked.body.toString()), 'id'));
}

/** One action after the other until `over`. */
async function act(corner: Corner, over: AbortSignal): Promise<void> {
  for (let turn = 0; !over.aborted; turn += 1) {
    const name = `${corner.name}/${turn}`;
    await uploadAndRead(corner, name, 1_000 + (turn % 7) * 20_000);
    if (turn % 5 === 2) await remove(corner, name);
    if (turn % 5 === 4) await archive(corner, name);
  }
}

function describeRolling(backend: QueueBackend): void {
  let ground: Ground;
  let ada: TestUser;
  const urls: string[] = [];
  const apis: TestProcess[] = [];
  const workers: TestProcess[] = [];
  const ports: number[] = [];
  const clients: Client[] = [];
  const startApiAt = async (index: number) => {
    const { process, url } = await startApi(ground, {
      PORT: String(ports[index]),
      VFOLDER_DRAIN_SECONDS: '2',
    });
    apis[index] = process;
    urls[index] = url;
  };

  beforeAll(async () => {
    ground = await layGround({ backend });
    await prepareGround(ground);
    ports.push(await findFreePort(), await findFreePort());
    await Promise.all([startApiAt(0), startApiAt(1)]);
    workers.push(await startWorker(ground), await startWorker(ground));
    const client = (keypair?: Ground['admin']) => {
      const made = createClient(urls[0] ?? '', keypair);
      clients.push(made);
      return made;
    };
    ada = await createUser({ administrator: client(ground.admin), client }, 'ada');
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all([...apis, ...workers].map((one) => one.stop()));
    await ground?.remove();
  });

  it('restarts every process under load: no request fails, nothing is lost or done twice', {
    timeout: 240_000,
  }, async () => {
    const folder = await createFolder(ada.client);
    const load: Load = { files: new Map(), jobIds: [], findings: [], answers: 0 };
    const over = new AbortController();
    const balanced = createBalancedClient(urls, ada.keypair);
    const loops = ['a', 'b', 'c', 'd'].map((name) =>
      act({ client: balanced, folder, name, load }, over.signal).catch((error: unknown) => {
        load.findings.push(`${name}: ${error}`);
      }),
    );
    const more = async () => {
      const wanted = load.answers + answersPerRound;
      await eventually(
        () => {
          if (load.findings.length > 0) return;
          expect(load.answers).toBeGreaterThan(wanted);
        },
        { timeoutMs: 60_000 },
      );
    };
    const codes: (number | string | undefined)[] = [];
    for (const index of [0, 1]) {
      await more();
      codes.push(await apis[index]?.stop(45_000));
      await more();
      await startApiAt(index);
      await more();
      codes.push(await workers[index]?.stop(45_000));
      await more();
      workers[index] = await startWorker(ground);
    }
    await more();
    over.abort();
    await Promise.all(loops);
    balanced.close();
    expect(load.findings).toEqual([]);
    expect(codes).toEqual([0, 0, 0, 0]);
    const reader = createClient(urls[0] ?? '', ada.keypair);
    clients.push(reader);
    for (const id of load.jobIds) expect((await awaitJob(reader, id)).state).toBe('succeeded');
    for (const [name, bytes] of load.files) {
      const answer = await reader.call('GET', folder.path('files', ...name.split('/')));
      expect(Buffer.from(answer.bytes).equals(bytes), name).toBe(true);
    }
    const counted = await reader.call('POST', folder.path('recalculate'));
    expect(counted.json).toMatchObject({
      after: { files: load.files.size },
      drift: { bytes: 0, files: 0 },
    });
  });
}

describeEachQueue('rolling restarts', describeRolling);
