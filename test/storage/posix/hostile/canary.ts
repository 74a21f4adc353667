import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestVolume } from '../../test-volume.ts';

/** Content that stands outside every folder: to see it through the volume, or to change it, is an escape. */
export const canaryContent = 'OUTSIDE';
/** A name that exists outside only. */
export const canaryName = 'canary-marker';

/** A tree beside the volume, on the same file system, as the other tenants' data would be. */
export interface Canary {
  readonly path: string;
  /** Names, modes, content and modification times of everything outside, as text to compare. */
  snapshot(): Promise<string>;
}

async function describeTree(path: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(path)).sort()) {
    const inner = join(path, name);
    const found = await stat(inner);
    const content = found.isFile() && found.size < 10_000 ? await readFile(inner, 'utf8') : '';
    lines.push(`${inner} ${found.mode} ${found.size} ${found.mtimeMs} ${content}`);
    if (found.isDirectory()) lines.push(...(await describeTree(inner)));
  }
  return lines;
}

/** Plants the outside tree; its names mirror those that the verbs under test are aimed at. */
export async function plantCanary(test: TestVolume): Promise<Canary> {
  const path = join(dirname(test.rootPath), 'outside');
  await mkdir(join(path, 'inner', 'deep'), { recursive: true });
  for (const name of [canaryName, 'file', 'inner/file', 'inner/deep/file']) {
    await writeFile(join(path, name), canaryContent);
  }
  return {
    path,
    async snapshot() {
      const { mode, mtimeMs } = await stat(path);
      return [`${path} ${mode} ${mtimeMs}`, ...(await describeTree(path))].join('\n');
    },
  };
}
