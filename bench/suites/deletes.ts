import { readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseId } from '../../domain/ids.ts';
import { folderComponents } from '../../storage/posix/layout.ts';
import { makeWide } from '../corpus.ts';
import { call, type Gun, openGun } from '../http.ts';
import { measureLargest } from '../largest-trees.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import { type BenchService, liftLimits, startService } from '../service.ts';
import type { BenchContext } from '../suite.ts';
import { runShell } from '../tools.ts';

const madeSchema = z.object({ id: z.string() });

/** Where the folder lies whose trees are deleted. */
interface Place {
  readonly service: BenchService;
  readonly gun: Gun;
  readonly directory: string;
}

async function makeFolder(service: BenchService, gun: Gun): Promise<Place> {
  const order = { method: 'POST', path: '/folders', json: { name: 'bench' } };
  const { id } = madeSchema.parse(await call(gun, service.authorization, order));
  const components = folderComponents(parseId(id) ?? '');
  return { service, gun, directory: join(service.volumeRoot, 'f', ...components) };
}

/** Moves what was just deleted back to where it was, so that a big tree is made only once. */
function takeBack({ directory }: Place, name: string): void {
  const trash = join(directory, 'trash');
  const [trashId = ''] = readdirSync(trash);
  const [slot = ''] = readdirSync(join(trash, trashId));
  renameSync(join(trash, trashId, slot), join(directory, 'data', name));
  rmdirSync(join(trash, trashId));
}

/** Deletes a tree and answers the milliseconds until the caller knew. */
async function deleteTree(place: Place, name: string): Promise<number> {
  const { gun, service } = place;
  const path = `/folders/bench/files/${name}?recursive=true`;
  const startedAt = performance.now();
  await call(gun, service.authorization, { method: 'DELETE', path });
  const ms = performance.now() - startedAt;
  takeBack(place, name);
  return ms;
}

async function* compareSizes(
  { service, directory }: Omit<Place, 'gun'>,
  sizes: readonly number[],
  rounds: number,
): AsyncIterable<BenchRow> {
  for (const files of sizes) makeWide(join(directory, 'data', `tree-${files}`), files);
  // Not before: to make the trees takes longer than the service bears an idle connection.
  const gun = openGun(service.port, 1);
  const contestants = sizes.map(
    (files) => [`${files}`, () => deleteTree({ service, directory, gun }, `tree-${files}`)] as const,
  );
  const results = await interleave(new Map(contestants), rounds);
  gun.close();
  const p50 = (files: number) => median(results(`${files}`));
  for (const files of sizes) {
    const work = `delete of a tree of ${files.toLocaleString('en')} files, until it is answered, p50`;
    yield toRow({ id: 'D1', work, measured: p50(files), unit: 'ms' }, { atMost: 20 });
  }
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const sizesTold = `${most.toLocaleString('en')} files against one of ${least.toLocaleString('en')}`;
  const work = `delete of a tree of ${sizesTold}, until it is answered`;
  yield toRow({ id: 'D1/growth', work, measured: p50(most) / p50(least), unit: '×' }, { atMost: 1.5 });
}

/** Deletes of whole trees as the caller sees them, without workers, which come to it later: goal D1. Then what they come to. */
export async function* measureDeletes({ workDir, isQuick }: BenchContext): AsyncIterable<BenchRow> {
  const service = await startService({ dataDir: join(workDir, 'data'), env: { VFOLDER_WORKERS: '0' } });
  const gun = openGun(service.port, 1);
  try {
    await liftLimits(service.databaseUrl);
    const place = await makeFolder(service, gun);
    const sizes = isQuick ? [100, 1_000, 5_000] : [1_000, 100_000, 1_000_000];
    yield* compareSizes(place, sizes, isQuick ? 10 : 30);
    const files = Math.max(...sizes);
    const peerTree = join(place.directory, 'data', `tree-${files}`);
    const filesFew = isQuick ? 1_000 : 10_000;
    yield* measureLargest({ volumeRoot: service.volumeRoot, peerTree, files, filesFew });
    await runShell('rm -rf data', place.directory);
  } finally {
    gun.close();
    await service.stop();
  }
}
