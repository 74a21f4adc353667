import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { at, numberAt } from '../support/json.ts';
import { setFolderLimits } from '../support/limits.ts';
import { streamedMultipart } from '../support/multipart.ts';
import { type Service, startService } from '../support/service.ts';
import { readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, createUser, type TestFolder } from '../support/users.ts';
import { describeEachQueue } from './each-queue.ts';

const uploadsTotal = 64;
const fitting = 32;

/** How one client sends its files; `chunked` goes without a Content-Length. */
type Framing = 'declared' | 'chunked';

async function send(
  client: Client,
  folder: TestFolder,
  files: ReadonlyMap<string, number>,
  framing: Framing,
) {
  const parts = [...files].map(([fileName, size]) => ({ fileName, bytes: Buffer.alloc(size, fileName) }));
  if (framing === 'declared') return client.call('POST', folder.path('upload'), { parts });
  const { contentType, body } = streamedMultipart(
    parts.map(({ fileName, bytes }) => ({ fileName, source: [bytes] })),
  );
  return client.call('POST', folder.path('upload'), { body, headers: { 'Content-Type': contentType } });
}

function expectQuotaProblem(answer: Answer, requested: number): void {
  expect(answer.status, answer.text).toBe(507);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(at(answer.json, 'code')).toBe('quota_exceeded');
  const [limit, used, reserved, asked] = ['limit', 'used', 'reserved', 'requested'].map((key) =>
    numberAt(answer.json, key),
  );
  expect(asked).toBe(requested);
  expect(limit).toBeGreaterThan(0);
  expect((used ?? 0) + (reserved ?? 0)).toBeLessThanOrEqual(limit ?? 0);
}

describeEachQueue('many uploads into little room', (backend) => {
  let service: Service;
  let client: Client;
  beforeAll(async () => {
    service = await startService({ backend });
    ({ client } = await createUser(service));
  });
  afterAll(() => service?.stop());

  /** Sends all at once; every client has names of its own. */
  async function crowd(folder: TestFolder, sizes: readonly number[], framing: Framing): Promise<Answer[]> {
    return Promise.all(
      Array.from({ length: uploadsTotal }, (_, index) => {
        const files = new Map(sizes.map((size, file) => [`from-${index}/${file}`, size]));
        return send(client, folder, files, framing);
      }),
    );
  }

  async function expectRightAccounts(folder: TestFolder, accepted: { bytes: number; files: number }) {
    // The undoing of a refused upload may end after its answer.
    await eventually(async () => {
      const usage = await readUsage(client, folder.name);
      expect(usage.reserved).toEqual({ bytes: 0, files: 0 });
      expect(usage.trash).toEqual({ bytes: 0, files: 0 });
      expect(usage.live).toEqual(accepted);
    });
    const none = { bytes: 0, files: 0 };
    expect(await treeUsage(service.volumeRoot, folder.id)).toEqual({
      data: accepted,
      stage: none,
      trash: none,
    });
  }

  it.each([
    { framing: 'declared', sizes: [70_001] },
    { framing: 'chunked', sizes: [70_001] },
    { framing: 'declared', sizes: [1, 4_099, 33_331] },
    { framing: 'chunked', sizes: [1, 4_099, 33_331] },
  ] as const)('takes as many bytes as fit, to the byte: $sizes, $framing', async ({ framing, sizes }) => {
    const folder = await createFolder(client);
    const each = sizes.reduce((sum, size) => sum + size, 0);
    // One byte less than a 33rd upload would need.
    await setFolderLimits(service, folder.id, { bytes: (fitting + 1) * each - 1 });
    const answers = await crowd(folder, sizes, framing);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(answers.length - refused.length).toBe(fitting);
    for (const answer of refused) expectQuotaProblem(answer, each);
    await expectRightAccounts(folder, { bytes: fitting * each, files: fitting * sizes.length });
  });

  it.each([
    { framing: 'declared', sizes: [7] },
    { framing: 'chunked', sizes: [7] },
    { framing: 'declared', sizes: [7, 0, 5] },
  ] as const)('takes as many files as fit, to the file: $sizes, $framing', async ({ framing, sizes }) => {
    const folder = await createFolder(client);
    await setFolderLimits(service, folder.id, { files: (fitting + 1) * sizes.length - 1 });
    const answers = await crowd(folder, sizes, framing);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(answers.length - refused.length).toBe(fitting);
    for (const answer of refused) expectQuotaProblem(answer, sizes.length);
    const each = sizes.reduce((sum: number, size) => sum + size, 0);
    await expectRightAccounts(folder, { bytes: fitting * each, files: fitting * sizes.length });
  });

  it.each([{ framing: 'declared' }, { framing: 'chunked' }] as const)(
    'never takes a byte too much of large files, and refuses no more than it must: $framing',
    async ({ framing }) => {
      const folder = await createFolder(client);
      const size = 700_001;
      // Room for exactly half, not a byte more. All get a part of it before the first is complete, so that some have to
      // yield; what streams ask for ahead of themselves must not cost anybody the room.
      await setFolderLimits(service, folder.id, { bytes: fitting * size });
      const answers = await crowd(folder, [size], framing);
      const accepted = answers.filter(({ status }) => status === 201).length;
      expect(answers.filter(({ status }) => status === 507)).toHaveLength(uploadsTotal - accepted);
      expect(accepted).toBe(fitting);
      await expectRightAccounts(folder, { bytes: fitting * size, files: fitting });
      const full = await send(client, folder, new Map([['one-byte', 1]]), framing);
      expectQuotaProblem(full, 1);
    },
  );
});
