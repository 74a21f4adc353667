import { createHash } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Sql } from 'postgres';
import { folderDir } from '../support/tree-usage.ts';
import { type Content, type Expectation, type OpenChange, sameContent } from './expectation.ts';

/** What lies in `data` of a folder. */
export interface Tree {
  readonly files: ReadonlyMap<string, Content>;
  readonly dirs: ReadonlySet<string>;
  /** Neither files nor directories. */
  readonly strange: readonly string[];
}

async function contentAt(path: string): Promise<NonNullable<Content>> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
    }
  });
  return { sha256: hash.digest('hex'), size };
}

async function* walk(root: string, dir: string): AsyncGenerator<{ path: string; entry: Dirent }> {
  for (const entry of await readdir(join(root, dir), { withFileTypes: true })) {
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    yield { path, entry };
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

/** Reads a folder's tree from the disk, apart from the service. */
export async function readTree(volumeRoot: string, folderId: string): Promise<Tree> {
  const root = join(folderDir(volumeRoot, folderId), 'data');
  const files = new Map<string, Content>();
  const dirs = new Set<string>();
  const strange: string[] = [];
  for await (const { path, entry } of walk(root, '')) {
    if (entry.isDirectory()) dirs.add(path);
    else if (entry.isFile()) files.set(path, await contentAt(join(root, path)));
    else strange.push(path);
  }
  return { files, dirs, strange };
}

function show(content: Content): string {
  return content === null ? 'nothing' : `${content.size} bytes ${content.sha256.slice(0, 8)}`;
}

function matches(found: ReadonlyMap<string, Content>, wanted: ReadonlyMap<string, Content>): boolean {
  return [...wanted].every(([path, content]) => sameContent(found.get(path) ?? null, content));
}

/** An open change went one way or the other, whole; its job, or a repetition's answer, may say which. */
function auditChange(tree: Tree, change: OpenChange, jobStates: ReadonlyMap<string, string>): string[] {
  const { jobId, label, before, after } = change;
  const state = jobId === undefined ? undefined : jobStates.get(jobId);
  const mustBeApplied = change.isAcknowledged || state === 'succeeded';
  const isApplied = matches(tree.files, after);
  if (mustBeApplied && !isApplied) return [`Promised but not applied: ${label} (${jobId} ${state})`];
  if (jobId !== undefined && state !== 'succeeded') return [`Accepted but ${state}: ${label} (${jobId})`];
  if (isApplied || matches(tree.files, before)) return [];
  const parts = [...after].map(([path, wanted]) => {
    const found = tree.files.get(path) ?? null;
    return `${path} holds ${show(found)}, ${show(before.get(path) ?? null)} before, ${show(wanted)} after`;
  });
  return [`Applied in part: ${label}: ${parts.join('; ')}`];
}

/** Compares a tree with what has to be there. @returns what is wrong, in words */
export function auditTree(
  tree: Tree,
  expectation: Expectation,
  jobStates: ReadonlyMap<string, string>,
): string[] {
  const open = new Set(expectation.open.flatMap((change) => [...change.after.keys()]));
  const lost = [...expectation.files].flatMap(([path, content]) => {
    const found = tree.files.get(path) ?? null;
    return open.has(path) || sameContent(found, content)
      ? []
      : [`${path} holds ${show(found)} instead of the acknowledged ${show(content)}`];
  });
  const extra = [...tree.files.keys()].flatMap((path) =>
    open.has(path) || expectation.files.has(path) ? [] : [`${path} should not be there`],
  );
  return [
    ...lost,
    ...extra,
    ...tree.strange.map((path) => `${path} is neither a file nor a directory`),
    ...[...expectation.madeDirs]
      .filter((dir) => !tree.dirs.has(dir))
      .map((dir) => `The directory ${dir} is lost`),
    ...[...expectation.goneDirs]
      .filter((dir) => tree.dirs.has(dir))
      .map((dir) => `The directory ${dir} is back`),
    ...expectation.open.flatMap((change) => auditChange(tree, change, jobStates)),
  ];
}

interface FolderRow {
  readonly id: string;
  readonly state: string;
  readonly counters: Readonly<Record<string, number>>;
}

async function listFolders(sql: Sql): Promise<FolderRow[]> {
  const rows = await sql<{ id: string; state: string; [name: string]: string }[]>`
    SELECT id, state, used_bytes, used_files, trash_bytes, trash_files, reserved_bytes, reserved_files FROM folders`;
  return rows.map(({ id, state, ...counters }) => ({
    id,
    state,
    counters: Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)])),
  }));
}

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
}

async function auditActive(volumeRoot: string, folder: FolderRow): Promise<string[]> {
  const dir = folderDir(volumeRoot, folder.id);
  const { files } = await readTree(volumeRoot, folder.id);
  const bytes = [...files.values()].reduce((sum, content) => sum + (content?.size ?? 0), 0);
  const wanted: Readonly<Record<string, number>> = {
    used_bytes: bytes,
    used_files: files.size,
    trash_bytes: 0,
    trash_files: 0,
    reserved_bytes: 0,
    reserved_files: 0,
  };
  const wrong = Object.entries(wanted).flatMap(([name, value]) =>
    folder.counters[name] === value
      ? []
      : [`${name} of ${folder.id} is ${folder.counters[name]}, not ${value}`],
  );
  const left = await Promise.all(
    ['stage', 'trash'].map(async (area) =>
      (await namesIn(join(dir, area))).map((name) => `${area}/${name} of ${folder.id} is left`),
    ),
  );
  return [...wrong, ...left.flat()];
}

/** Compares every folder's counters with its tree, and looks for what should be gone. @returns what is wrong, in words */
export async function auditAccounts(sql: Sql, volumeRoot: string): Promise<string[]> {
  const folders = await listFolders(sql);
  const findings = await Promise.all(
    folders.map(async (folder) => {
      if (folder.state === 'active') return auditActive(volumeRoot, folder);
      const names = await namesIn(folderDir(volumeRoot, folder.id));
      const left = names.map((name) => `${name} of the deleted folder ${folder.id} is left`);
      return folder.state === 'purged' ? left : [`The folder ${folder.id} is still ${folder.state}`, ...left];
    }),
  );
  const claims = await sql<
    { path: string; jobId: string }[]
  >`SELECT path, job_id AS "jobId" FROM path_claims`;
  return [...findings.flat(), ...claims.map(({ path, jobId }) => `The claim of ${path} by ${jobId} is left`)];
}
