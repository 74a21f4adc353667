import { randomInt } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QueueBackend } from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { type Arena, expectNothingWrong, openArena } from './arena.ts';

/** Kills per suite; the environment asks for longer fights. */
const rounds = Number(process.env.VFOLDER_TEST_CHAOS_ROUNDS ?? 20);
/** Now and then everything rests and is looked at; what was open by then is settled. */
const roundsPerAudit = 10;
const seed = Number(process.env.VFOLDER_TEST_CHAOS_SEED ?? randomInt(2 ** 31));

/** A fault that the audit has to see. */
interface Fault {
  readonly name: string;
  readonly plant: (arena: Arena) => Promise<() => Promise<unknown>>;
  readonly finding: RegExp;
}

function someFile({ corners, service }: Arena): { path: string; folderId: string; onDisk: string } {
  for (const { expectation, folder } of corners) {
    for (const path of expectation.files.keys()) {
      const onDisk = join(folderDir(service.volumeRoot, folder.id), 'data', path);
      return { path, folderId: folder.id, onDisk };
    }
  }
  throw new Error('No acknowledged file is left.');
}

const faults: readonly Fault[] = [
  {
    name: 'an acknowledged file that is gone from the disk',
    plant: async (arena) => {
      const { onDisk } = someFile(arena);
      const aside = join(arena.service.dataDir, 'aside');
      await rename(onDisk, aside);
      return () => rename(aside, onDisk);
    },
    finding: /holds nothing instead of the acknowledged/,
  },
  {
    name: 'one byte too much in the accounts',
    plant: async ({ sql, corners }) => {
      const id = corners[0]?.folder.id ?? '';
      await sql`UPDATE folders SET used_bytes = used_bytes + 1 WHERE id = ${id}`;
      return () => sql`UPDATE folders SET used_bytes = used_bytes - 1 WHERE id = ${id}`;
    },
    finding: /used_bytes of .* is \d+, not \d+/,
  },
  {
    name: 'a reservation that nobody holds',
    plant: async ({ sql, corners }) => {
      const id = corners[0]?.folder.id ?? '';
      await sql`UPDATE folders SET reserved_files = reserved_files + 1 WHERE id = ${id}`;
      return () => sql`UPDATE folders SET reserved_files = reserved_files - 1 WHERE id = ${id}`;
    },
    finding: /reserved_files of .* is 1, not 0/,
  },
  {
    name: 'an upload of which one file did not arrive',
    plant: async (arena) => {
      const { path } = someFile(arena);
      const { expectation } = arena.corners.find(({ expectation: one }) => one.files.has(path)) ?? {};
      const now = expectation?.files.get(path) ?? null;
      const other = { sha256: 'f'.repeat(64), size: 7 };
      expectation?.leaveOpen({
        label: 'half',
        after: new Map([
          [path, other],
          [`${path}.new`, now],
        ]),
      });
      const onDisk = `${someFile(arena).onDisk}.new`;
      await writeFile(onDisk, '');
      return async () => rename(onDisk, join(arena.service.dataDir, 'half'));
    },
    finding: /Applied in part: half/,
  },
];

/**
 * Kills and wiped queues under load, on one backend: whatever is acknowledged stays, whatever is not is whole or
 * absent, and the accounts are right to the byte.
 */
export function describeChaos(backend: QueueBackend): void {
  describe(`kill -9 under load with queues on ${backend} (VFOLDER_TEST_CHAOS_SEED=${seed})`, () => {
    let arena: Arena;
    beforeAll(async () => {
      arena = await openArena(backend, seed);
    });
    afterAll(() => arena?.stop());

    it('loses nothing, shows no part, ends every job and counts right', {
      timeout: rounds * 20_000 + 120_000,
    }, async () => {
      for (let done = 0; done < rounds; done += roundsPerAudit) {
        await arena.fight(Math.min(roundsPerAudit, rounds - done));
        expectNothingWrong(await arena.audit(), arena);
      }
      const { counts } = arena.tally;
      process.stderr.write(`${backend}, seed ${seed}: ${JSON.stringify(Object.fromEntries(counts))}\n`);
      expect(counts.get('kills')).toBe(rounds);
      expect(counts.get('answers 201')).toBeGreaterThan(rounds);
    });

    // The canaries: an audit that sees nothing would let everything pass.
    it.each(faults)('sees $name', { timeout: 120_000 }, async ({ plant, finding }) => {
      const mend = await plant(arena);
      const findings = await arena.audit();
      await mend();
      expect(findings.join('\n')).toMatch(finding);
    });
  });
}
