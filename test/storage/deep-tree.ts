import { closeSync, constants, mkdirSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';

/** How often a chain has a second directory to visit. */
export const forkEvery = 10;

/**
 * Makes `depth` directories "d" inside one another, each beside one file of one byte and, on every tenth level, an
 * empty directory "a" or "z" that brings a walk back up. Goes by descriptors, because the path of the innermost is
 * longer than the kernel takes.
 */
export function makeChain(path: string, depth: number): void {
  let fd = openSync(path, constants.O_DIRECTORY);
  for (let level = 0; level < depth; level += 1) {
    const here = `/proc/self/fd/${fd}`;
    writeFileSync(`${here}/file`, 'x');
    if (level % forkEvery === 0) mkdirSync(`${here}/${level % (2 * forkEvery) === 0 ? 'a' : 'z'}`);
    mkdirSync(`${here}/d`);
    const next = openSync(`${here}/d`, constants.O_DIRECTORY);
    closeSync(fd);
    fd = next;
  }
  closeSync(fd);
}

/** How many files and directories this process has open; what its threads wake each other by is not counted. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return /^\/(?!dev\/)/.test(readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      return false;
    }
  }).length;
}
