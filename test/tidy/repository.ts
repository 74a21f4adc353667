import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the checkout. */
export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The folders that make up the service. */
export const rooms = [
  'domain',
  'runtime',
  'storage',
  'db',
  'jobs',
  'api',
  'worker',
  'boot',
  'metrics',
  'tracing',
  'supervisor',
  'client',
  'cli',
  'doctor',
  'upkeep',
] as const;

/** One of {@link rooms}. */
export type Room = (typeof rooms)[number];

const notSource = new Set(['.git', 'node_modules', 'dist', 'data', 'coverage']);

/** Reads a file of the checkout as text; `path` is relative to its root. */
export function readText(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8');
}

/** Reads a JSON file of the checkout. */
export function readJson(path: string): unknown {
  return JSON.parse(readText(path));
}

/** Paths of the files below `directory` (default: everything but what is made) that match `pattern`, sorted. */
export function listFiles(pattern: RegExp, directory = ''): readonly string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(repositoryRoot, directory), { withFileTypes: true })) {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory() && !notSource.has(entry.name)) found.push(...listFiles(pattern, path));
    else if (entry.isFile() && pattern.test(path)) found.push(path);
  }
  return found.sort();
}

/** The TypeScript files of the service itself, without the settings of tools, by path, each with its text. */
export function listSources(): readonly { readonly path: string; readonly text: string }[] {
  return rooms.flatMap((room) =>
    listFiles(/(?<!\.config)\.ts$/, room).map((path) => ({ path, text: readText(path) })),
  );
}

/** What a TypeScript file imports, as written: static, type-only and dynamic imports and re-exports. */
export function listImports(text: string): readonly string[] {
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|\bimport\.meta\.resolve\(\s*)'([^']+)'/g;
  return [...text.matchAll(pattern)].flatMap(([, specifier]) => specifier ?? []);
}
