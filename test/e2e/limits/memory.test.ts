import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setFolderLimits } from '../support/limits.ts';
import { streamedMultipart } from '../support/multipart.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser, type TestFolder, type TestUser } from '../support/users.ts';
import { digestOf, generateFile } from './generated.ts';

const mib = 1024 ** 2;
const sizeBytes = 2 * 1024 * mib;
const rssMax = 200 * mib;

/** Peak of the resident memory since the process started, in bytes; see proc_pid_status(5). */
function peakOf(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kib) * 1024;
}

describe.runIf(process.platform === 'linux')('a file of 2 GiB', () => {
  let service: Service;
  let user: TestUser;
  let folder: TestFolder;
  let pids: readonly (readonly [name: string, pid: number])[];
  let sha256 = '';

  beforeAll(async () => {
    service = await startService({ backend: 'postgres' });
    user = await createUser(service);
    folder = await createFolder(user.client);
    await setFolderLimits(service, folder.id, { bytes: 3 * 1024 * mib });
    const { api, workers } = service.pids();
    pids = [
      ['supervisor', service.supervisor.pid],
      ...api.map((pid) => ['API', pid] as const),
      ...workers.map((pid, index) => [`worker ${index + 1}`, pid] as const),
    ];
    expect(pids).toHaveLength(4);
  });
  afterAll(() => service?.stop());

  /** None died and came back with a new memory, none ever held more than it may. */
  function expectSmallProcesses(after: string): void {
    const { api, workers } = service.pids();
    expect([...api, ...workers].sort()).toEqual(
      pids
        .slice(1)
        .map(([, pid]) => pid)
        .sort(),
    );
    const peaks = pids.map(([name, pid]) => [name, Math.round(peakOf(pid) / mib)] as const);
    process.stderr.write(`Peak RSS in MiB after ${after}: ${JSON.stringify(Object.fromEntries(peaks))}\n`);
    for (const [name, pid] of pids) expect(peakOf(pid), `${name}, after ${after}`).toBeLessThan(rssMax);
  }

  it('goes up with every process below 200 MiB', { timeout: 300_000 }, async () => {
    const file = generateFile('big.bin', sizeBytes);
    const { contentType, body } = streamedMultipart([file.part]);
    const answer = await user.client.call('POST', folder.path('upload'), {
      body,
      headers: { 'Content-Type': contentType },
    });
    expect(answer.status, answer.text).toBe(201);
    sha256 = file.digest();
    expect(answer.json).toMatchObject({ files: [{ path: 'big.bin', size: sizeBytes, sha256 }] });
    expectSmallProcesses('the upload');
  });

  it.each([
    { way: 'as content', path: 'files/big.bin', headers: {} },
    {
      way: 'as a plain download',
      path: 'download?files=big.bin',
      headers: { 'Accept-Encoding': 'identity' },
    },
  ])(
    'comes down $way with every process below 200 MiB',
    { timeout: 300_000 },
    async ({ way, path, headers }) => {
      const incoming = await user.client.open('GET', `${folder.path()}/${path}`, { headers });
      expect(incoming.statusCode).toBe(200);
      expect(incoming.headers['content-encoding']).toBeUndefined();
      expect(await digestOf(incoming)).toEqual({ sha256, size: sizeBytes });
      expectSmallProcesses(`the download ${way}`);
    },
  );
});
