import { lstat, mkdir, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttackerCommand, buildAttacker, startAttacker } from '../../support/attacker.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import type { Answer, Client } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { numberAt } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createFolder, createUser, type TestFolder } from '../support/users.ts';

/** How long each verb is under attack; VFOLDER_RACE_SECONDS=30 for the long run. */
const seconds = Number(process.env.VFOLDER_RACE_SECONDS ?? 1);
vi.setConfig({ testTimeout: 60_000 + seconds * 1_000 });

const outsideContent = 'OUTSIDE';
const names = ['file', 'inner/file', 'inner/deep/file'];

let tools: TempDir;
let command: AttackerCommand;
let service: Service;
let ada: Client;
let folder: TestFolder;
let dataPath: string;
let outside: string;
let before: string;

async function describeTree(path: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(path)).sort()) {
    const inner = join(path, name);
    const found = await lstat(inner);
    const content = found.isFile() ? await readFile(inner, 'utf8') : '';
    lines.push(`${inner} ${found.mode} ${found.size} ${found.mtimeMs} ${content}`);
    if (found.isDirectory()) lines.push(...(await describeTree(inner)));
  }
  return lines;
}

async function snapshot(): Promise<string> {
  return (await describeTree(outside)).join('\n');
}

beforeAll(async () => {
  tools = await createTempDir();
  command = await buildAttacker(tools.path);
  service = await startService({ backend: 'postgres' });
  ada = (await createUser(service, 'ada')).client;
  outside = join(service.volumeRoot, '..', 'outside');
  await mkdir(join(outside, 'inner', 'deep'), { recursive: true });
  for (const name of names) await writeFile(join(outside, name), outsideContent);
  // More than the folder can hold, however often a walk meets a directory that changes its name.
  await writeFile(join(outside, 'marker'), outsideContent.repeat(1_000));
  before = await snapshot();
});
afterAll(async () => {
  await service?.stop();
  await tools.remove();
});

// `swap` is by turns a directory of the folder and a link to the tree outside, which has the same names in it.
beforeEach(async () => {
  folder = await createFolder(ada);
  dataPath = join(folderDir(service.volumeRoot, folder.id), 'data');
  await mkdir(join(dataPath, 'swap', 'inner', 'deep'), { recursive: true });
  for (const name of names) await writeFile(join(dataPath, 'swap', name), 'inside');
  await symlink(outside, join(dataPath, 'other'));
});
afterEach(async () => {
  await ada.call('DELETE', folder.path());
});

/**
 * Repeats `attempt` under attack, several at a time, for the set time and until one was let through; then nothing outside
 * has changed and no answer was a fault.
 */
async function expectNoEscape(attempt: (round: number) => Promise<Answer>): Promise<void> {
  const attacker = await startAttacker(command, dataPath, ['swap', 'other']);
  const statuses = new Map<number, number>();
  const deadline = performance.now() + seconds * 1_000;
  let round = 0;
  let isLetThrough = false;
  const lane = async (): Promise<void> => {
    while (performance.now() < deadline || !isLetThrough) {
      round += 1;
      const { status, text } = await attempt(round);
      expect(status, text).toBeLessThan(500);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      isLetThrough ||= status < 300;
    }
  };
  let exchanges = 0;
  try {
    await Promise.all([lane(), lane(), lane(), lane()]);
  } finally {
    exchanges = await attacker.stop();
  }
  expect(exchanges).toBeGreaterThan(0);
  expect(await snapshot()).toBe(before);
}

/** The answer, once it holds nothing from outside. */
function inside(answer: Answer, text: string = answer.text): Answer {
  if (text.includes(outsideContent) || text.includes('marker')) throw new Error(`escaped: ${text}`);
  return answer;
}

describe('while a container swaps a directory with a link to outside, the service', () => {
  it('is under an attack that the naive way does not stand', async () => {
    const attacker = await startAttacker(command, dataPath, ['swap', 'other']);
    let isEscaped = false;
    try {
      for (let round = 0; round < 200_000 && !isEscaped; round += 1) {
        const path = join(dataPath, 'swap', 'file');
        const resolved = await realpath(path).catch(() => '');
        if (!resolved.startsWith(`${dataPath}/`)) continue;
        isEscaped = (await readFile(path, 'utf8').catch(() => '')) === outsideContent;
      }
    } finally {
      await attacker.stop();
    }
    expect(isEscaped).toBe(true);
  });

  it('uploads only into the folder', async () => {
    await expectNoEscape((round) => {
      const fileName = ['swap/file', 'swap/new', 'swap/made/new'][round % 3] ?? '';
      return ada.call('POST', folder.path('upload'), { parts: [{ fileName, bytes: 'inside' }] });
    });
  });

  it('reads only files of the folder', async () => {
    await expectNoEscape(async (round) =>
      inside(await ada.call('GET', folder.path('files', 'swap', ...(names[round % 3] ?? '').split('/')))),
    );
  });

  it('downloads only files of the folder', async () => {
    await expectNoEscape(async (round) => {
      const query = { files: round % 2 === 0 ? ['swap/file'] : ['swap', 'other'] };
      const answer = await ada.call('GET', folder.path('download'), { query });
      const isPacked = answer.headers['content-encoding'] === 'gzip';
      return inside(answer, isPacked ? gunzipSync(answer.bytes).toString('latin1') : answer.text);
    });
  });

  it('lists only directories of the folder', async () => {
    await expectNoEscape(async () =>
      inside(await ada.call('GET', folder.path('files'), { query: { path: 'swap' } })),
    );
  });

  it('makes directories only in the folder', async () => {
    await expectNoEscape((round) =>
      ada.call('POST', folder.path('mkdir'), { json: { path: `swap/made-${round % 50}/deep` } }),
    );
  });

  it('moves only within the folder', async () => {
    await expectNoEscape(async (round) => {
      await writeFile(join(dataPath, `mine-${round}`), 'inside');
      const json = { src: `mine-${round}`, dst: `swap/mine-${round}` };
      return ada.call('POST', folder.path('move'), { json });
    });
  });

  it('deletes only from the folder', async () => {
    await expectNoEscape(async (round) => {
      const files = [round % 4 === 0 ? 'swap/inner' : 'swap/file'];
      await mkdir(join(dataPath, 'swap', 'inner'), { recursive: true }).catch(() => undefined);
      await ada.call('POST', folder.path('upload'), { parts: [{ fileName: 'swap/file', bytes: 'inside' }] });
      return ada.call('DELETE', folder.path('delete_files'), { json: { files, recursive: true } });
    });
  });

  it('measures only the folder', async () => {
    await expectNoEscape(async () => {
      const answer = await ada.call('POST', folder.path('recalculate'));
      if (answer.status === 200) expect(numberAt(answer.json, 'after', 'bytes')).toBeLessThan(1_000);
      return answer;
    });
  });

  it('packs only the folder into an archive', async () => {
    await expectNoEscape(async () => {
      const json = { files: ['.'], format: 'tar' };
      const asked = await ada.call('POST', folder.path('archives'), { json });
      if (asked.status >= 300) return asked;
      await awaitJob(ada, jobIdIn(asked.headers));
      return inside(await ada.call('GET', `/archives/${jobIdIn(asked.headers)}`));
    });
  });
});
