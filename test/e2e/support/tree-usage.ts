import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, pathOf } from './http-client.ts';
import { numberAt } from './json.ts';

/** Bytes and regular files. */
export interface Amount {
  readonly bytes: number;
  readonly files: number;
}

/** What lies on disk in the three areas of a folder. */
export interface TreeUsage {
  readonly data: Amount;
  readonly stage: Amount;
  readonly trash: Amount;
}

/** What the service says a folder holds. */
export interface ReportedUsage {
  readonly live: Amount;
  readonly reserved: Amount;
  readonly trash: Amount;
  readonly limit: Amount;
}

/** The directory of a folder on its volume; `folderId` in hex or dashed. */
export function folderDir(volumeRoot: string, folderId: string): string {
  const hex = folderId.replaceAll('-', '').toLowerCase();
  const dashed = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return join(volumeRoot, 'f', hex.slice(-4, -2), hex.slice(-2), dashed);
}

async function namesIn(dir: Buffer): Promise<Buffer[]> {
  try {
    return await readdir(dir, { encoding: 'buffer' });
  } catch (error) {
    // Workers remove directories while we look.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Paths stay bytes, because names on disk need not be UTF-8. */
async function amountBelow(dir: Buffer): Promise<Amount> {
  let [bytes, files] = [0, 0];
  for (const name of await namesIn(dir)) {
    const path = Buffer.concat([dir, Buffer.from('/'), name]);
    const stat = await lstat(path).catch(() => undefined);
    const inner = stat?.isDirectory() === true ? await amountBelow(path) : { bytes: 0, files: 0 };
    bytes += inner.bytes + (stat?.isFile() === true ? stat.size : 0);
    files += inner.files + (stat?.isFile() === true ? 1 : 0);
  }
  return { bytes, files };
}

/** Counts what lies on disk, apart from the service. `folderId` in hex or dashed; a missing folder is empty. */
export async function treeUsage(volumeRoot: string, folderId: string): Promise<TreeUsage> {
  const dir = folderDir(volumeRoot, folderId);
  const [data, stage, trash] = await Promise.all(
    ['data', 'stage', 'trash'].map((area) => amountBelow(Buffer.from(join(dir, area)))),
  );
  const none = { bytes: 0, files: 0 };
  return { data: data ?? none, stage: stage ?? none, trash: trash ?? none };
}

function amountAt(json: unknown, key: string): Amount {
  return { bytes: numberAt(json, key, 'bytes'), files: numberAt(json, key, 'files') };
}

/** Asks the service what a folder holds; `folder` is the name or id that the caller knows it by. */
export async function readUsage(client: Client, folder: string): Promise<ReportedUsage> {
  const answer = await client.call('GET', pathOf('folders', folder, 'usage'));
  if (answer.status !== 200) throw new Error(`The usage of ${folder} is not told: ${answer.text}`);
  return {
    live: amountAt(answer.json, 'live'),
    reserved: amountAt(answer.json, 'reserved'),
    trash: amountAt(answer.json, 'trash'),
    limit: amountAt(answer.json, 'limit'),
  };
}
