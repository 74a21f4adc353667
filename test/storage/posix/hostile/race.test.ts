import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openPosixVolume } from '../../../../storage/posix/posix-volume.ts';
import type { Volume, WalkedEntry } from '../../../../storage/volume.ts';
import { type AttackerCommand, buildAttacker, startAttacker } from '../../../support/attacker.ts';
import { createTempDir, type TempDir } from '../../../support/temp-dir.ts';
import { at, codeOf, openTestVolume, putFile, readAll, type TestVolume, trash } from '../../test-volume.ts';
import { type Canary, canaryContent, canaryName, plantCanary } from './canary.ts';

/** How long each verb is under attack; VFOLDER_RACE_SECONDS=30 for the long run. */
const seconds = Number(process.env.VFOLDER_RACE_SECONDS ?? 2);
vi.setConfig({ testTimeout: 60_000 + seconds * 1000 });
const expectedCodes = ['resolved', 'entry_not_found', 'entry_conflict', 'entry_not_regular'];

let tools: TempDir;
let command: AttackerCommand;
let test: TestVolume;
let canary: Canary;
let before: string;

beforeAll(async () => {
  tools = await createTempDir();
  command = await buildAttacker(tools.path);
});
afterAll(() => tools.remove());

// `swap` is by turns a directory of the folder and a link to the tree outside, which has the same names in it.
beforeEach(async () => {
  test = await openTestVolume();
  canary = await plantCanary(test);
  // A size that no measure of the folder reaches by itself.
  await writeFile(join(canary.path, 'huge'), '');
  await truncate(join(canary.path, 'huge'), 2 ** 40);
  before = await canary.snapshot();
  await mkdir(join(test.dataPath, 'swap', 'inner', 'deep'), { recursive: true });
  for (const name of ['file', 'inner/file', 'inner/deep/file']) {
    await writeFile(join(test.dataPath, 'swap', name), 'inside');
  }
  await symlink(canary.path, join(test.dataPath, 'other'));
});
afterEach(() => test.close());

/**
 * Repeats `attempt` under attack, several at a time, for the set time and until one was let through.
 * @returns how often each code was answered, and how many exchanges were made
 */
async function underAttack(attempt: (round: number) => Promise<unknown>): Promise<Record<string, number>> {
  const attacker = await startAttacker(command, test.dataPath, ['swap', 'other']);
  const counts: Record<string, number> = { resolved: 0 };
  const deadline = performance.now() + seconds * 1000;
  let round = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < deadline || counts.resolved === 0) {
      round += 1;
      const code = await codeOf(attempt(round));
      counts[code] = (counts[code] ?? 0) + 1;
    }
  };
  try {
    await Promise.all([lane(), lane(), lane(), lane()]);
  } finally {
    counts.exchanges = await attacker.stop();
  }
  return counts;
}

/** Who walks: this process, as for small trees, or its walkers. */
const walkers = ['by itself', 'with walkers'] as const;

async function withVolume(
  walker: (typeof walkers)[number],
  work: (volume: Volume) => Promise<void>,
): Promise<void> {
  if (walker === 'by itself') return work(test.volume);
  const helped = await openPosixVolume({
    name: 'test',
    root: test.rootPath,
    aloneMs: { warm: 0, cold: 0 },
  });
  try {
    await work(helped);
  } finally {
    await helped.close();
  }
}

/** No escape, no untyped error, and the race was real. */
async function expectNoEscape({ exchanges, ...counts }: Record<string, number>): Promise<void> {
  expect(Object.keys(counts).filter((code) => !expectedCodes.includes(code))).toEqual([]);
  expect(exchanges).toBeGreaterThan(0);
  expect(counts.resolved).toBeGreaterThan(0);
  expect(await canary.snapshot()).toBe(before);
}

describe('while a container swaps a directory with a link to outside', () => {
  it('lets the naive way escape, so the attack is one', async () => {
    const attacker = await startAttacker(command, test.dataPath, ['swap', 'other']);
    let isEscaped = false;
    try {
      for (let round = 0; round < 200_000 && !isEscaped; round += 1) {
        const path = join(test.dataPath, 'swap', 'file');
        // What nearly every server does: resolve, compare the prefix, then open the path.
        const resolved = await realpath(path).catch(() => '');
        if (!resolved.startsWith(`${test.dataPath}/`)) continue;
        isEscaped = (await readFile(path, 'utf8').catch(() => '')) === canaryContent;
      }
    } finally {
      await attacker.stop();
    }
    expect(isEscaped).toBe(true);
  });

  it('reads only files of the folder', async () => {
    const counts = await underAttack(async (round) => {
      const path = at(['swap/file', 'swap/inner/file', 'swap/inner/deep/file'][round % 3] ?? '');
      const content = (await readAll(await test.volume.open(test.folderId, path))).toString();
      if (content !== 'inside') throw new Error(`escaped: read ${content}`);
    });
    await expectNoEscape(counts);
  });

  it('looks only at entries of the folder', async () => {
    const counts = await underAttack(async () => {
      const stat = await test.volume.stat(test.folderId, at('swap/file'));
      if (stat && stat.sizeBytes !== 'inside'.length) throw new Error('escaped: stat of the canary');
      const marker = await test.volume.stat(test.folderId, at(`swap/${canaryName}`));
      if (marker) throw new Error('escaped: stat of the marker');
    });
    await expectNoEscape(counts);
  });

  it('lists only directories of the folder', async () => {
    const counts = await underAttack(async () => {
      const { entries } = await test.volume.list(test.folderId, at('swap'), { limit: 100 });
      if (entries.some(({ name }) => name === canaryName)) throw new Error('escaped: listed the canary');
    });
    await expectNoEscape(counts);
  });

  it('walks only the folder, and opens only what it walked', async () => {
    const check = async (entry: WalkedEntry): Promise<void> => {
      if (entry.path.includes(canaryName)) throw new Error('escaped: walked the canary');
      if (entry.stat.kind !== 'file') return;
      const file = await entry.open().catch(() => null);
      const content = file === null ? 'inside' : (await readAll(file)).toString();
      if (content !== 'inside') throw new Error(`escaped: read ${content}`);
    };
    const counts = await underAttack(async () => {
      for await (const entry of test.volume.walk(test.folderId, at(''), {})) await check(entry);
    });
    await expectNoEscape(counts);
  });

  it.each(walkers)('measures only the folder, %s', async (walker) => {
    await withVolume(walker, async (volume) => {
      const counts = await underAttack(async () => {
        const { bytes } = await volume.measure(test.folderId);
        if (bytes > 1000) throw new Error('escaped: measured the canary');
      });
      await expectNoEscape(counts);
    });
  });

  it('copies only what is in the folder, and shows copies only there', async () => {
    const options = { admit: async () => undefined, onSkip: () => undefined };
    const check = async (name: string): Promise<void> => {
      for await (const { path, stat } of test.volume.walk(test.folderId, at(name), {})) {
        if (path.includes(canaryName)) throw new Error('escaped: copied the canary');
        if (stat.kind === 'file' && stat.sizeBytes !== 'inside'.length)
          throw new Error('escaped: copied a file');
      }
    };
    const counts = await underAttack(async (round) => {
      const stageId = randomUUID();
      const start = at('swap');
      const entries = test.volume.walk(test.folderId, start, {});
      try {
        await test.volume.copyTree(test.folderId, { area: 'stage', stageId, start }, entries, options);
        const inode = (await test.volume.statStage(test.folderId, stageId))?.inode ?? '';
        const name = round % 2 === 0 ? `copy-${round}` : `swap/copy-${round}`;
        await test.volume.publishTree(test.folderId, stageId, at(name), inode);
        if (round % 2 === 1) await test.volume.move(test.folderId, at(name), at(`copy-${round}`));
        await check(`copy-${round}`);
      } finally {
        await test.volume.discardTree(test.folderId, stageId);
      }
    });
    await expectNoEscape(counts);
  });

  it('commits uploads only into the folder', async () => {
    const counts = await underAttack(async (round) => {
      const stageId = randomUUID();
      await (await test.volume.createStage(test.folderId, stageId)).finish();
      const path = at(['swap/file', 'swap/new', 'swap/made/new'][round % 3] ?? '');
      try {
        await test.volume.commitStage(test.folderId, stageId, path);
      } finally {
        await test.volume.discardStage(test.folderId, stageId);
      }
    });
    await expectNoEscape(counts);
  });

  it('makes directories only in the folder', async () => {
    const counts = await underAttack((round) =>
      test.volume.makeDirectory(test.folderId, at(`swap/made-${round % 50}/deep`), {
        parents: true,
        existOk: true,
      }),
    );
    await expectNoEscape(counts);
  });

  it('moves only within the folder', async () => {
    const counts = await underAttack(async (round) => {
      const name = `mine-${round}`;
      await putFile(test, name, 'inside');
      await test.volume.move(test.folderId, at(name), at(`swap/${name}`));
      await test.volume.move(test.folderId, at(`swap/${name}`), at(`back-${round}`));
    });
    await expectNoEscape(counts);
  });

  it('deletes only from the folder', async () => {
    const counts = await underAttack(async () => {
      await putFile(test, 'swap/file', 'inside').catch(() => undefined);
      const trashId = randomUUID();
      await test.volume.createTrash(test.folderId, trashId);
      try {
        await test.volume.trashEntry(test.folderId, at('swap/file'), trashId, 0);
      } finally {
        await test.volume.purgeTrash(test.folderId, trashId);
      }
    });
    await expectNoEscape(counts);
  });

  it('restores only into the folder', async () => {
    const counts = await underAttack(async (round) => {
      await putFile(test, `mine-${round}`, 'inside');
      const trashId = await trash(test, `mine-${round}`);
      await test.volume.restoreTrash(test.folderId, trashId, 0, at(`swap/mine-${round}`));
      await test.volume.purgeTrash(test.folderId, trashId);
    });
    await expectNoEscape(counts);
  });
});

describe('while a container that sits in a trashed directory goes on swapping in it', () => {
  it.each(walkers)('purges and measures only the trash, %s', async (walker) => {
    await withVolume(walker, purgeUnderAttack);
  });

  async function purgeUnderAttack(volume: Volume): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    let exchanges = 0;
    let removed = 0;
    for (let round = 0; performance.now() < deadline; round += 1) {
      const tree = join(test.dataPath, `tree-${round}`);
      await mkdir(join(tree, 'swap', 'inner'), { recursive: true });
      for (let file = 0; file < 200; file += 1)
        await (await open(join(tree, 'swap', `${file}`), 'w')).close();
      await symlink(canary.path, join(tree, 'other'));
      const attacker = await startAttacker(command, tree, ['swap', 'other']);
      const trashId = await trash(test, `tree-${round}`);
      const { bytes } = await volume.measureTrash(test.folderId, trashId);
      const { entries } = await volume.purgeTrash(test.folderId, trashId);
      removed += entries;
      exchanges += await attacker.stop();
      expect(bytes).toBe(0);
    }
    expect(exchanges).toBeGreaterThan(0);
    expect(removed).toBeGreaterThan(200);
    expect(await readdir(join(test.folderPath, 'trash'))).toEqual([]);
    expect(await canary.snapshot()).toBe(before);
  }
});
